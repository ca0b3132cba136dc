"""`siyu links`: tracked links, minted and looked at from the command line."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from core import identifier
from core.database import transaction
from core.errors import InvalidEvent
from core.event import first_fault
from ingest.links import store
from ingest.links.link import Link, Signs
from ingest.links.routes import RECIPIENTS_MAX, Minting, drafted, minted
from profiles import masking
from siyu.looking import written_down
from siyu.system import System, opened
from siyu.terminal import Exit, fail, write_json, write_table

app = typer.Typer(help="Mint tracked links, and show what one is.", no_args_is_help=True)

_COLUMNS = ("recipient", "url", "open_url", "unsubscribe_url")


@app.command()
def mint(
    url: Annotated[str, typer.Argument(help="where the links lead")],
    channel: Annotated[str, typer.Option(help="by which they are sent: sms, mail, qr …")],
    recipients: Annotated[
        Path | None, typer.Option(help="a file with one identifier a line, like phone:+86…; none: one link for all")
    ] = None,
    campaign: Annotated[str | None, typer.Option()] = None,
    sending: Annotated[str | None, typer.Option(help="what all links of one message share")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Mint one link, or one for each recipient: all of them, or none where one cannot be.

    Each time new ones; `POST /v1/links` with an Idempotency-Key is for programs that try again.
    """
    named = _lines(recipients) if recipients else []
    asked = {"url": url, "channel": channel, "campaign": campaign, "sending": sending}
    parts = [named[first : first + RECIPIENTS_MAX] for first in range(0, len(named), RECIPIENTS_MAX)] or [[]]
    with opened() as system:
        rows = _minted(system, [{**asked, "recipients": part} for part in parts])
    if as_json:
        write_json(rows)
    else:
        write_table(_COLUMNS, ([row[column] for column in _COLUMNS] for row in rows))


@app.command()
def show(
    token: Annotated[str, typer.Argument(help="the end of a link's address, after /s/")],
    clear: Annotated[bool, typer.Option("--clear", help="the recipient in full, not masked")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show where a link leads and to whom it was sent."""
    with opened() as system, transaction(system.engine) as connection:
        written_down(system, "links show", clear=clear)
        number = _signs(system).follow.read(token)
        link = None if number is None else store.find(connection, number)
    if link is None:
        raise fail("there is no such link", Exit.NOT_FOUND)
    row = asdict(link)
    if link.recipient and not clear:
        row["recipient"] = masking.identifier(identifier.parse(link.recipient))
    if as_json:
        write_json([row])
    else:
        write_table(row.keys(), [row.values()])


def _minted(system: System, wanted: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    signs, base = _signs(system), system.settings.public_url.rstrip("/")
    base = base or f"http://{system.settings.host}:{system.settings.port}"
    rows: list[Mapping[str, Any]] = []
    with transaction(system.engine) as connection:
        for part, each in enumerate(wanted):
            drafts = _drafts(system, each, part * RECIPIENTS_MAX)
            numbers = store.write(connection, drafts, secrets.token_bytes(32), system.clock())
            rows += [
                minted(draft, number, signs, base).model_dump() for draft, number in zip(drafts, numbers, strict=True)
            ]
    return rows


def _drafts(system: System, wanted: Mapping[str, Any], lines_before: int) -> Sequence[Link]:
    try:
        return drafted(Minting.model_validate(wanted), system.channels.declared)
    except ValidationError as error:
        raise fail(str(first_fault(error)), Exit.USAGE) from None
    except InvalidEvent as error:
        field, _, place = error.pointer.strip("/").partition("/")
        where = f"line {lines_before + int(place) + 1}" if place else field
        raise fail(f"{where}: {error.detail}", Exit.USAGE) from None


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter("it cannot be read as text in UTF-8", param_hint="--recipients") from None


def _signs(system: System) -> Signs:
    return Signs.of(system.signing_key)
