"""CSV for spreadsheets: UTF-8 with a byte order mark, and no cell that one of them would run as a formula."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import orjson
from fastapi import Response

MEDIA_TYPE = "text/csv"

T = TypeVar("T")

# What a cell that is a formula begins with, in half and in full width.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True, slots=True)
class Sheet(Generic[T]):
    """The form of a list as a table: its columns, and what stands in them for one of the list."""

    columns: Sequence[str]
    row: Callable[[T], Mapping[str, object]]


def response(sheet: Sheet[T], data: Sequence[T], headers: Mapping[str, str]) -> Response:
    """Return *data* in the form of *sheet*."""
    return Response(file(sheet, data), 200, dict(headers), f"{MEDIA_TYPE}; charset=utf-8")


def file(sheet: Sheet[T], data: Iterable[T]) -> bytes:
    """Return the bytes of a file that has *data* in the form of *sheet*."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(sheet.columns)
    for row in map(sheet.row, data):
        writer.writerow([cell(row[column]) for column in sheet.columns])
    return written.getvalue().encode("utf-8-sig")


def is_wanted(accept: str) -> bool:
    """Whether a table is what an `Accept` header asks for first."""
    ranges = accept.split(",")
    best = max(ranges, key=_quality)  # the first of the best
    return best.partition(";")[0].strip().lower() == MEDIA_TYPE and _quality(best) > 0


def _quality(range_: str) -> float:
    for parameter in range_.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            return float(value) if value.replace(".", "", 1).isdecimal() and value.isascii() else 0.0
    return 1.0


def cell(value: object) -> object:
    """Return *value* as it may stand in a cell."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list() if all(isinstance(each, str) for each in value):
            return _safe(";".join(value))
        case list() | dict():
            return orjson.dumps(value).decode()
        case str():
            return _safe(value)
        case _:
            return value


def _safe(text: str) -> str:
    """A quotation mark in front makes text of what a spreadsheet would take for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
