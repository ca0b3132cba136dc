"""`siyu export`: everything, in open formats."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from api.table import cell
from core.identifier import Identifier
from profiles import masking
from siyu.export import people_rows
from siyu.system import opened
from siyu.terminal import write_json

app = typer.Typer(help="Export what Siyu holds.", no_args_is_help=True)


ROWS_MAX = 10_000  # in memory at once


class Format(StrEnum):
    """In which format."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


@app.command()
def people(
    form: Annotated[Format, typer.Option("--format")] = Format.NDJSON,
    clear: Annotated[bool, typer.Option("--clear", help="identifiers in full, not masked")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format ndjson")] = False,
    output: Annotated[Path | None, typer.Option(help="a file to write; needed for Parquet")] = None,
) -> None:
    """Export everybody, by id, and then the identifiers that nobody owns."""
    form = Format.NDJSON if as_json else form
    if form is Format.PARQUET and output is None:
        raise typer.BadParameter("Parquet needs --output FILE")
    with opened() as system, system.engine.connect() as connection:
        rows = people_rows(connection, _clear if clear else masking.identifier)
        _write(rows, form, output)


def _clear(identifier: Identifier) -> str:
    return identifier.text


def _write(rows: Iterable[Mapping[str, Any]], form: Format, output: Path | None) -> None:
    if form is Format.PARQUET and output is not None:
        _write_parquet(rows, output)
        return
    with ExitStack() as stack:
        file = stack.enter_context(output.open("w", encoding="utf-8", newline="")) if output else sys.stdout
        if form is Format.CSV:
            _write_csv(rows, file)
        else:
            write_json(rows, file)


_PEOPLE = ("person_id", "canonical_identifier", "identifiers", "presumed", "first_seen", "events")
_NOBODYS = ("contested", "generic", "blocked", "owners")


def _write_csv(rows: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    file.write("\ufeff")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow((*_PEOPLE, *_NOBODYS))
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in (*_PEOPLE, *_NOBODYS)])


def _write_parquet(rows: Iterable[Mapping[str, Any]], output: Path) -> None:
    many, text = pa.list_(pa.string()), pa.string()
    kinds = (text, text, many, many, text, pa.int64(), text, text, text, many)
    schema = pa.schema(list(zip((*_PEOPLE, *_NOBODYS), kinds, strict=True)))
    with pq.ParquetWriter(output, schema) as writer:
        for chunk in _batched(rows, ROWS_MAX):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def _batched(rows: Iterable[Mapping[str, Any]], most: int) -> Iterator[list[Mapping[str, Any]]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, most)):
        yield chunk
