"""Official counts from files: our own columns, and those of an account's statistics."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import InvalidEvent
from profiles.official import OfficialCounts
from siyu.official import Row, rows

STATISTICS = (
    "ref_date,msgid,title,stat_date,target_user,int_page_read_user,int_page_read_count,share_user,share_count,"
    "int_page_from_session_read_count,int_page_from_feed_read_count\n"
    "2026-11-03,202457380_1,秋季选型指南,2026-11-04,1000,90,120,3,4,80,40\n"
)


def read(path: Path, content: bytes) -> list[Row]:
    (path / "counts.csv").write_bytes(content)
    return list(rows(path / "counts.csv", "the console", "+08:00"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_rows_of_an_accounts_statistics_are_read_as_of_the_end_of_their_day(tmp_path: Path, encoding: str) -> None:
    (row,) = read(tmp_path, STATISTICS.encode(encoding))

    by_source = {"session": 80, "feed": 40}
    as_of = datetime(2026, 11, 4, 16, tzinfo=UTC)
    assert row == Row(2, "202457380_1", OfficialCounts(120, as_of, "the console", 90, 4, by_source))


def test_our_own_columns_are_called_like_the_fields(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b"article_id,as_of,reads,by_source.friend,note\na-1,2026-11-04T08:00:00Z,10,3,x\n")

    as_of = datetime(2026, 11, 4, 8, tzinfo=UTC)
    assert row == Row(2, "a-1", OfficialCounts(10, as_of, "the console", by_source={"friend": 3}))


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ("a-1,2026-11-04,many", "/reads"),
        ("a-1,2026-11-04,-1", "/reads"),
        ("a-1,2026-11-04", "/reads"),
        ("a-1,2026-13-04,1", "/as_of"),
        ("a-1,2026-11-04T08:00:00,1", "/as_of"),
        (",2026-11-04,1", "/article_id"),
    ],
)
def test_a_wrong_row_is_refused_by_its_field_and_costs_no_other(tmp_path: Path, line: str, pointer: str) -> None:
    wrong, right = read(tmp_path, f"article_id,as_of,reads\n{line}\na-2,2026-11-04,1\n".encode())

    assert isinstance(wrong.counts, InvalidEvent)
    assert (wrong.line, wrong.counts.pointer) == (2, pointer)
    assert isinstance(right.counts, OfficialCounts)


@pytest.mark.parametrize("content", [b"", b"article_id,as_of\n", b"\xff\xff,\xff\n"])
def test_a_file_without_the_columns_that_are_needed_is_refused_whole(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidEvent):
        read(tmp_path, content)
