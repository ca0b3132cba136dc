"""Rows of official counts in CSV: those of our own columns, and those of an official account's statistics of articles.

Our own columns are `article_id`, `as_of`, `reads`, `readers`, `shares` and `by_source.ANYTHING`. The statistics
(`getarticletotal`, one row for each of its `details`) have other names; what they count, they count up to the end of the day
`stat_date`.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidEvent
from core.event import first_fault
from ingest.files import opened
from ingest.lines import Source
from profiles.official import OfficialCounts

_NAMES = {
    "msgid": "article_id",
    "stat_date": "as_of",
    "int_page_read_count": "reads",
    "int_page_read_user": "readers",
    "share_count": "shares",
}
_OWN = frozenset({"article_id", "as_of", "reads", "readers", "shares"})
_SOURCE = re.compile(r"by_source\.(.+)|int_page_from_(.+)_read_count")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file: the counts of an article, or why there are none."""

    line: int
    article_id: str
    counts: OfficialCounts | InvalidEvent


def rows(path: Path, source: str, zone: str) -> Iterator[Row]:
    """Return the counts in the file *path*, said by *source*; days end in the *zone* (`+08:00`).

    Other columns are overlooked. Raises `InvalidEvent` where one that is needed is missing, or the file is not CSV.
    """
    with ExitStack() as stack:
        lines = Source(opened(str(path), stack))
        reader = csv.DictReader((line or b"").decode(lines.encoding) for line in lines)
        try:
            if missing := {"article_id", "as_of", "reads"} - {_own(name) for name in reader.fieldnames or ()}:
                raise InvalidEvent("missing_column", f"there is no column {min(missing)}")
            for written in reader:
                yield _row(reader.line_num, written, source, zone)
        except (csv.Error, UnicodeDecodeError):
            raise InvalidEvent("invalid_csv", f"line {reader.line_num + 1} cannot be read") from None


def _row(line: int, written: Mapping[Any, Any], source: str, zone: str) -> Row:
    cells = {
        _own(name): cell.strip() for name, cell in written.items() if name and isinstance(cell, str) and cell.strip()
    }
    by_source = {part: cell for name, cell in cells.items() if (part := _part(name))}
    stated = {name: cell for name, cell in cells.items() if name in _OWN - {"article_id"}}
    try:
        if "article_id" not in cells:
            raise InvalidEvent("missing", "there is no id of an article", "/article_id")
        as_of = _moment(stated.get("as_of", ""), zone)
        counts = _COUNTS.validate_python({**stated, "as_of": as_of, "source": source, "by_source": by_source})
    except ValidationError as error:
        return Row(line, cells["article_id"], first_fault(error))
    except InvalidEvent as error:
        return Row(line, cells.get("article_id", ""), error)
    return Row(line, cells["article_id"], counts)


def _own(name: str) -> str:
    return _NAMES.get(name.strip(), name.strip())


def _part(name: str) -> str | None:
    found = _SOURCE.fullmatch(name)
    return found and (found[1] or found[2])


def _moment(written: str, zone: str) -> str:
    """Return the end of a day, as a moment, and anything else as it is written."""
    if not _DAY.fullmatch(written):
        return written
    try:
        return (datetime.fromisoformat(f"{written}T00:00:00{zone}") + timedelta(days=1)).isoformat()
    except ValueError:
        raise InvalidEvent("invalid_day", "this is not a day", "/as_of") from None


_COUNTS: TypeAdapter[OfficialCounts] = TypeAdapter(OfficialCounts)
