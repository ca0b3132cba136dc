"""CSV for spreadsheets: UTF-8 with a byte order mark, and no cell that one of them would run as a formula."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Response

from profiles.cells import write_csv

MEDIA_TYPE = "text/csv"

T = TypeVar("T")


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
    written = io.BytesIO()
    write_csv(sheet.columns, map(sheet.row, data), written)
    return written.getvalue()


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
