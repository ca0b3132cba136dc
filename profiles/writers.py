"""Tables as files: CSV, NDJSON, XLSX and Parquet, written row by row, so that their length costs no memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from core.errors import Refused
from profiles.cells import plain, write_csv

CHUNK_ROWS_MAX = 10_000  # of Parquet, in memory at once
SHEET_ROWS_MAX = 1_048_575  # below the head; what a sheet of Excel has
CELL_LENGTH_MAX = 32_767
_EXACT = 2**53  # a spreadsheet has no other numbers than floating ones

Row = Mapping[str, Any]


class Format(StrEnum):
    """In which format."""

    CSV = "csv"
    NDJSON = "ndjson"
    XLSX = "xlsx"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """What HTTP calls it."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.NDJSON: "application/x-ndjson",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Kind(Enum):
    """Of what kind the values of a column are; each may be missing."""

    TEXT = pa.string()
    TEXTS = pa.list_(pa.string())
    WHOLE = pa.int64()
    NUMBER = pa.float64()
    TRUTH = pa.bool_()
    TIME = pa.timestamp("us", tz="UTC")
    OBJECT = pa.large_string()  # as JSON


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a table, by name. As CSV, one *for machines* has no byte order mark, and a mere list no head."""

    columns: Mapping[str, Kind]
    for_machines: bool = False
    has_head: bool = True


def write(rows: Iterable[Row], form: Form, format_: Format, file: BinaryIO) -> None:
    """Write *rows* into *file*. What a row does not have is missing. Raises `Refused` where the format cannot hold them."""
    match format_:
        case Format.CSV:
            write_csv(tuple(form.columns), rows, file, has_head=form.has_head, for_machines=form.for_machines)
        case Format.NDJSON:
            for row in rows:
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
        case Format.XLSX:
            _write_xlsx(rows, form, file)
        case Format.PARQUET:
            _write_parquet(rows, form, file)


def _write_xlsx(rows: Iterable[Row], form: Form, file: BinaryIO) -> None:
    # No text becomes a formula, a link or a number, whatever it looks like; and written rows go to the disk.
    with TemporaryDirectory() as folder:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": folder}
        book = xlsxwriter.Workbook(file, options)
        sheet = book.add_worksheet()
        try:
            _fill(sheet, rows, tuple(form.columns))
            book.close()
        finally:
            sheet.row_data_fh.close()  # it is left open where a row cannot be had


def _fill(sheet: Any, rows: Iterable[Row], columns: Sequence[str]) -> None:
    sheet.freeze_panes(1, 0)
    for at, name in enumerate(columns):
        sheet.write_string(0, at, name)
    for number, row in enumerate(rows, start=1):
        if number > SHEET_ROWS_MAX:
            raise Refused(f"a sheet has at most {SHEET_ROWS_MAX:,} rows: ask for CSV, NDJSON or Parquet")
        for at, name in enumerate(columns):
            _write_cell(sheet, number, at, row.get(name))


def _write_cell(sheet: Any, row: int, column: int, value: object) -> None:
    match value:
        case None:
            return
        case bool():
            sheet.write_boolean(row, column, value)
        case int() | float() if abs(value) <= _EXACT:
            sheet.write_number(row, column, value)
        case _:
            sheet.write_string(row, column, str(plain(value))[:CELL_LENGTH_MAX])


def _write_parquet(rows: Iterable[Row], form: Form, file: BinaryIO) -> None:
    schema = pa.schema([(name, kind.value) for name, kind in form.columns.items()])
    objects = [name for name, kind in form.columns.items() if kind is Kind.OBJECT]
    with pq.ParquetWriter(file, schema) as writer:
        for chunk in _batched(rows, CHUNK_ROWS_MAX):
            flat = [{**row, **{name: _json(row.get(name)) for name in objects}} for row in chunk] if objects else chunk
            writer.write_table(pa.Table.from_pylist(flat, schema=schema))


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _batched(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, most)):
        yield chunk
