"""`siyu simulate`: platforms that send to a running Siyu like the real ones, and judge its answers."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, TypeVar

import httpx
import typer

from core.settings import load
from ingest.channels import read
from siyu.simulators import ads as ad_platforms
from siyu.simulators import sms as sms_providers
from siyu.simulators.sending import Simulator
from siyu.terminal import Exit, write_json, write_table

app = typer.Typer(help="Send to a running Siyu like a platform does, and judge its answers.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="where Siyu runs; nothing but this machine is ever sent to")]
AsJson = Annotated[bool, typer.Option("--json")]
A = TypeVar("A")
HERE = "http://127.0.0.1:8600"


def judged(simulator: Simulator, url: str, as_json: bool) -> None:
    """Run *simulator* against *url* and show what it expected and saw; exit 1 where an answer was wrong."""
    if httpx.URL(url).host not in {"127.0.0.1", "localhost", "::1"}:
        raise typer.BadParameter("a simulator sends to this machine only", param_hint="--url")
    with httpx.Client(base_url=url, timeout=10.0) as client:
        checks = list(simulator(client))
    if as_json:
        write_json([asdict(check) for check in checks])
    else:
        rows = ((c.name, c.expected, c.seen, "✓" if c.is_right else "✗") for c in checks)
        write_table(("check", "expected", "seen", ""), rows)
    if not all(check.is_right for check in checks):
        raise typer.Exit(Exit.FAILED)


@app.callback()
def simulate() -> None:
    """Each command is a platform; its accounts are those of the channels file."""


@app.command()
def sms(account: str, url: Url = HERE, as_json: AsJson = False) -> None:
    """Send reports and replies like the provider of ACCOUNT, of `[sms.ACCOUNT]`."""
    settings = load()
    found = _found(read(settings.channels_file).sms, account)
    judged(sms_providers.simulator(found, settings.public_url), url, as_json)


@app.command()
def ads(account: str, url: Url = HERE, as_json: AsJson = False) -> None:
    """Report clicks like the ad platform of ACCOUNT, of `[ads.ACCOUNT]`."""
    found = _found(read(load().channels_file).ads, account)
    judged(ad_platforms.simulator(account, found), url, as_json)


def _found(accounts: Mapping[str, A], name: str) -> A:
    if name not in accounts:
        raise typer.BadParameter("the channels file has no such account", param_hint="ACCOUNT")
    return accounts[name]
