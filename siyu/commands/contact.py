"""`siyu contact`: what must never be addressed, whoever bears it."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from core.database import transaction
from core.errors import InvalidEvent
from core.identifier import Identifier
from profiles import do_not_contact
from profiles.do_not_contact import Blocked, Blocking
from siyu.deciding import By
from siyu.looking import user
from siyu.system import System, opened
from siyu.terminal import Exit, answering, err, fail, out, say, write_json, write_table

app = typer.Typer(help="The list of what must never be addressed, whoever bears it.", no_args_is_help=True)

FAULTS_MAX = 20  # lines of a file that are named
PAGE_MAX = 1_000

Reason = Annotated[str, typer.Option(help="why, for whoever asks later")]
AsJson = Annotated[bool, typer.Option("--json")]


@app.command()
def block(
    identifiers: Annotated[list[str], typer.Argument(help="written namespace[@scope]:value")],
    reason: Reason,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let nobody address these any more, whatever was or will be agreed to."""
    with opened() as system, answering():
        found = _blocked(system, do_not_contact.read(identifiers), reason, by)
    _write(found, as_json=as_json)


@app.command()
def allow(identifiers: Annotated[list[str], typer.Argument(help="written namespace[@scope]:value")]) -> None:
    """Take these off the list: consents say again whether they may be addressed."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        for each in do_not_contact.read(identifiers):
            do_not_contact.allow(connection, system.index(each))


@app.command("list")
def list_blocked(as_json: AsJson = False) -> None:
    """List what is not to be addressed, masked, what was put there last first."""
    with opened() as system:
        _write(_all(system), as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a CSV file; a first line that is no identifier is its header")],
    reason: Reason,
    slot: Annotated[str, typer.Option("--as", help="what stands there: phone, email, wechat_openid@APPID")] = "phone",
    column: Annotated[int, typer.Option(min=1, help="in which column")] = 1,
    by: By = None,
) -> None:
    """Put all identifiers of a file on the list. Lines that are none are named; exit code 3 where there are any."""
    if not file.is_file():
        raise fail(f"there is no file {file}", Exit.NOT_FOUND)
    named: list[Identifier] = []
    faults = []
    for number, cell in _cells(file, column):
        try:
            named += do_not_contact.read([f"{slot}:{cell}"])
        except InvalidEvent as error:
            if number > 1:
                faults.append(f"{say('line')} {number}: {error.detail}")
    with opened() as system, answering():
        found = _blocked(system, named, reason, by)
    out.print(f"{say('saved')}: {len(found)}")
    for fault in faults[:FAULTS_MAX]:
        err.print(fault, markup=False)
    if faults:
        raise fail(f"{say('rejected')}: {len(faults)}", Exit.PARTLY)


def _cells(file: Path, column: int) -> Iterator[tuple[int, str]]:
    """Return what stands in the column, with the number of the line. Numbers and mailboxes are ASCII, whatever the rest is."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.reader(lines)
        for row in reader:
            if len(row) >= column and row[column - 1].strip():
                yield reader.line_num, row[column - 1]


def _blocked(system: System, named: Sequence[Identifier], reason: str, by: str | None) -> Sequence[Blocked]:
    of = Blocking(reason, by if by is not None else user(), system.clock())
    with transaction(system.engine) as connection:
        return do_not_contact.block(connection, named, system.index, of)


def _all(system: System) -> Iterator[Blocked]:
    after = None
    with system.engine.connect() as connection:
        while page := do_not_contact.listing(connection, after, PAGE_MAX):
            yield from page
            after = (page[-1].at, page[-1].id)


def _write(found: Iterator[Blocked] | Sequence[Blocked], *, as_json: bool) -> None:
    if as_json:
        write_json(_row(each) for each in found)
    else:
        write_table(
            ("identifier", "why", "time", "by"), ((b.masked, b.reason, f"{b.at:%Y-%m-%d %H:%M}", b.by) for b in found)
        )


def _row(of: Blocked) -> dict[str, Any]:
    return {"id": of.id, "identifier": of.masked, "reason": of.reason, "at": of.at, "by": of.by}
