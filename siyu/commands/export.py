"""`siyu export`: everything, in open formats."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from api.exporting import sources
from api.exporting.wishes import WISH, Wish
from core import audit
from core.audit import Look
from core.database import transaction
from core.event import first_fault
from profiles import writers
from profiles.consent import MARKETING
from profiles.platforms import Platform
from profiles.writers import Format, Row
from siyu.looking import user
from siyu.system import System, opened
from siyu.terminal import Exit, answering, fail

app = typer.Typer(help="Export what Siyu holds.", no_args_is_help=True)

_BY_MACHINES_ONLY = (Format.XLSX, Format.PARQUET)
_MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

In = Annotated[Format, typer.Option("--format")]
Clear = Annotated[bool, typer.Option("--clear", help="in full, not masked: identifiers, and what else says who it is")]
AsJson = Annotated[bool, typer.Option("--json", help="the same as --format ndjson")]
Output = Annotated[Path | None, typer.Option(help="a file to write; needed for XLSX and Parquet")]


@app.command()
def people(form: In = Format.NDJSON, clear: Clear = False, as_json: AsJson = False, output: Output = None) -> None:
    """Export everybody, by id, and then the identifiers that nobody owns."""
    _export(output, what="people", format=_format(form, as_json), clear=clear)


@app.command()
def events(
    form: In = Format.NDJSON,
    clear: Clear = False,
    as_json: AsJson = False,
    output: Output = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=_MOMENT, help="not before this time")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_MOMENT, help="before this time")] = None,
    kind: Annotated[str | None, typer.Option("--type")] = None,
    channel: Annotated[str | None, typer.Option()] = None,
    article: Annotated[str | None, typer.Option(help="only what is about this article")] = None,
) -> None:
    """Export every event that was not taken back, the oldest first. Times are this machine's unless they name a zone."""
    filters = {"since": _zoned(since), "until": _zoned(until), "type": kind, "channel": channel, "article": article}
    _export(output, what="events", format=_format(form, as_json), clear=clear, filters=filters)


@app.command()
def links(form: In = Format.NDJSON, clear: Clear = False, as_json: AsJson = False, output: Output = None) -> None:
    """Export every link between two identifiers: who is one person because of what, and what is refused."""
    _export(output, what="links", format=_format(form, as_json), clear=clear)


@app.command()
def audience(
    platform: Annotated[Platform, typer.Option(help="the ad platform whose list it is")],
    purpose: Annotated[str, typer.Option(help="what they must have agreed to")] = MARKETING,
    article: Annotated[str | None, typer.Option(help="only its readers")] = None,
    segment: Annotated[str | None, typer.Option(help="only those in this segment")] = None,
    band: Annotated[str | None, typer.Option(help="of layers or stages, only those in this one")] = None,
    form: In = Format.CSV,
    output: Output = None,
) -> None:
    """Export a list for an ad platform: hashes of the addresses of those who agreed to it."""
    filters = {"article": article, "segment": segment, "band": band}
    _export(output, what="audience", platform=platform, purpose=purpose, format=form, filters=filters)


def _format(form: Format, as_json: bool) -> Format:
    return Format.NDJSON if as_json else form


def _zoned(moment: datetime | None) -> datetime | None:
    return moment.astimezone() if moment else None


def _export(output: Path | None, **asked: object) -> None:
    try:
        wish = WISH.validate_python(asked)
    except ValidationError as error:
        raise fail(str(first_fault(error)), Exit.USAGE) from None
    if wish.format in _BY_MACHINES_ONLY and output is None:
        raise typer.BadParameter(f"{wish.format} needs --output FILE")
    with opened() as system, answering(), sources.reading_at_leisure(system.engine) as connection:
        source = sources.source(connection, wish, system.scoring)
        with ExitStack() as stack:
            file = stack.enter_context(output.open("wb")) if output else sys.stdout.buffer
            rows = stack.enter_context(_written_down(system, wish)) if wish.clear else iter
            writers.write(rows(source.rows), source.form, wish.format, file)


class _Counted:
    """Rows, counted as they are taken."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.number += 1
            yield row


@contextmanager
def _written_down(system: System, wish: Wish) -> Iterator[_Counted]:
    """Write down that somebody looked, and at how many rows, also where he did not wait for the last."""
    counted = _Counted()
    try:
        yield counted
    finally:
        look = Look(
            system.clock(), f"cli:{user()}", f"export of {wish.what}", wish.model_dump(mode="json"), counted.number
        )
        with transaction(system.engine) as connection:
            audit.record(connection, [look])
