"""What may stand in a cell of a table, and tables as CSV: no cell is one that a spreadsheet would run as a formula. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

import orjson

# What a cell that is a formula begins with, in half and in full width.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def write_csv(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    file: BinaryIO,
    *,
    has_head: bool = True,
    for_machines: bool = False,
) -> None:
    """Write *rows* into *file* as CSV. People's spreadsheets tell UTF-8 by a byte order mark, which *machines* do not expect."""
    text = io.TextIOWrapper(file, "utf-8" if for_machines else "utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        if has_head:
            writer.writerow(columns)
        for row in rows:
            writer.writerow([cell(row.get(column)) for column in columns])
    finally:
        text.detach()  # flushes, and leaves the file open


def cell(value: object) -> object:
    """Return *value* as it may stand in a cell whose kind the reader guesses."""
    said = plain(value)
    return _safe(said) if isinstance(said, str) else said


def plain(value: object) -> object:
    """Return *value* as a number or as text, which may look like a formula."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list() if all(isinstance(each, str) for each in value):
            return ";".join(value)
        case list() | dict():
            return orjson.dumps(value).decode()
        case _:
            return value


def _safe(text: str) -> str:
    """A quotation mark in front makes text of what a spreadsheet would take for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
