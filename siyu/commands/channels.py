"""`siyu channels`: what is declared of channels, and under which addresses the accounts of platforms are reached."""

from typing import Annotated

import typer

from core import settings
from core.channel import Channel
from ingest import channels
from siyu.terminal import err, language, out, say, write_json, write_table

app = typer.Typer(help="Channels, and the accounts of platforms.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json")]


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List what is declared of each channel; `any` is what is not restricted."""
    declared = channels.read(settings.load().channels_file).declared.by_name
    if as_json:
        write_json(_row(name, channel) for name, channel in declared.items())
        return
    write_table(
        ("channel", "label", "identifiers", "types", "trust", "purpose"),
        (
            (name, _label(c), _listed(c.namespaces), _listed(c.types), c.trust or say("as the key"), c.purpose)
            for name, c in declared.items()
        ),
    )


@app.command()
def check(as_json: AsJson = False) -> None:
    """Check the channels file, and say which address each account is to be given in the console of its platform."""
    chosen = settings.load()
    known = channels.read(chosen.channels_file)
    public_url = chosen.public_url.rstrip("/")
    rows = [
        {"family": family, "account": name, "address": public_url + account.path(family, name)}
        for family, name, account in known.accounts
    ]
    if rows and not public_url:
        err.print(say("SIYU_PUBLIC_URL is not set: the addresses lack their beginning"))
    if as_json:
        write_json(rows)
    else:
        for row in rows:
            out.print(*row.values(), sep="\t", markup=False, soft_wrap=True)  # an address is copied, so it stays whole
        err.print(f"{len(known.declared.by_name)} {say('channels are declared')}, {len(rows)} {say('accounts')}")


def _row(name: str, channel: Channel) -> dict[str, object]:
    return {
        "channel": name,
        "labels": dict(channel.labels),
        "namespaces": None if channel.namespaces is None else sorted(channel.namespaces),
        "types": None if channel.types is None else sorted(channel.types),
        "trust": channel.trust,
        "purpose": channel.purpose,
    }


def _label(channel: Channel) -> str:
    return channel.labels.get(language(), "")


def _listed(words: frozenset[str] | None) -> str:
    return say("any") if words is None else " ".join(sorted(words))
