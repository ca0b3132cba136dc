"""Tables as files: each format says the same, none runs what somebody sent, and none needs more memory for more rows."""

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import orjson
import pyarrow.parquet as pq
import pytest

from core.errors import Refused
from profiles import writers
from profiles.writers import Form, Format, Kind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FORM = Form(
    {
        "name": Kind.TEXT,
        "tags": Kind.TEXTS,
        "events": Kind.WHOLE,
        "share": Kind.NUMBER,
        "follows": Kind.TRUTH,
        "at": Kind.TIME,
        "said": Kind.OBJECT,
    }
)
ROW = {
    "name": "李, “雷”\n",
    "tags": ["a", "b"],
    "events": 7,
    "share": 0.25,
    "follows": True,
    "at": NOON,
    "said": {"city": "上海"},
}
EVIL = [
    "=1+1",
    '=HYPERLINK("http://evil.example.com")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "＝1",
    " =1",
    "http://evil.example.com",
]


def written(rows: Sequence[Mapping[str, Any]], format_: Format, form: Form = FORM) -> bytes:
    file = io.BytesIO()
    writers.write(iter(rows), form, format_, file)
    return file.getvalue()


def sheet(content: bytes) -> list[list[tuple[str, str]]]:
    """The kind and the text of every cell of a workbook."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    tree = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml"))
    return [
        [
            ("formula" if cell.find(f"{space}f") is not None else cell.get("t", "n"), "".join(cell.itertext()))
            for cell in row
        ]
        for row in tree.iter(f"{space}row")
    ]


def test_csv_opens_in_a_spreadsheet() -> None:
    content = written([ROW, {}], Format.CSV)

    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) == [
        [*FORM.columns],
        ["李, “雷”\n", "a;b", "7", "0.25", "true", "2026-11-20T12:00:00Z", '{"city":"上海"}'],
        [""] * 7,
    ]


def test_csv_for_machines_has_no_mark_and_a_list_no_head() -> None:
    form = Form({"hash": Kind.TEXT}, for_machines=True, has_head=False)

    assert written([{"hash": "ab"}, {"hash": "cd"}], Format.CSV, form) == b"ab\r\ncd\r\n"


def test_ndjson_is_a_json_object_a_line() -> None:
    lines = written([ROW, {"name": "x"}], Format.NDJSON).splitlines()

    assert [orjson.loads(line) for line in lines] == [{**ROW, "at": "2026-11-20T12:00:00Z"}, {"name": "x"}]


def test_a_workbook_keeps_numbers_as_numbers_and_text_as_text() -> None:
    head, row, empty = sheet(written([ROW, {"events": 2**60}], Format.XLSX))

    assert [text for _, text in head] == [*FORM.columns]
    assert [text.strip() for _, text in row] == [
        "李, “雷”", "a;b", "7", "0.25", "1", "2026-11-20T12:00:00Z", '{"city":"上海"}',
    ]  # fmt: skip
    assert [kind for kind, _ in row] == ["inlineStr", "inlineStr", "n", "n", "b", "inlineStr", "inlineStr"]
    assert empty == [("inlineStr", str(2**60))]


def test_parquet_has_types() -> None:
    table = pq.read_table(io.BytesIO(written([ROW, {}], Format.PARQUET)))

    assert table.to_pylist() == [{**ROW, "said": '{"city":"上海"}'}, dict.fromkeys(FORM.columns)]
    assert table.schema.field("at").type == Kind.TIME.value


@pytest.mark.parametrize("format_", Format)
def test_no_rows_are_a_file_too(format_: Format) -> None:
    content = written([], format_)

    assert (content == b"") == (format_ is Format.NDJSON)


def test_a_spreadsheet_runs_nothing_that_somebody_sent() -> None:
    rows = [{"name": evil, "tags": [evil], "said": [evil]} for evil in EVIL]

    cells = [cell for line in csv.reader(io.StringIO(written(rows, Format.CSV).decode("utf-8-sig"))) for cell in line]
    assert [cell for cell in cells if cell.lstrip(" ").startswith(tuple("=+-@\t＝"))] == []
    content = written(rows, Format.XLSX)
    assert {kind for row in sheet(content) for kind, _ in row} == {"inlineStr"}
    assert [row[0][1] for row in sheet(content)][1:3] == EVIL[:2]  # unharmed: it is text already
    assert [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if "rels/sheet" in name] == []


def test_a_text_that_no_cell_can_hold_is_cut() -> None:
    long = "x" * (writers.CELL_LENGTH_MAX + 1)

    (_, row) = sheet(written([{"name": long}], Format.XLSX))

    assert len(row[0][1]) == writers.CELL_LENGTH_MAX


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SHEET_ROWS_MAX", 2)
    assert len(sheet(written([ROW] * 2, Format.XLSX))) == 3

    with pytest.raises(Refused, match="at most 2 rows"):
        written([ROW] * 3, Format.XLSX)


@pytest.mark.parametrize("format_", Format)
def test_many_rows_need_no_more_memory_than_few(
    format_: Format, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(writers, "CHUNK_ROWS_MAX", 100)

    def peak_bytes(number: int) -> int:
        rows: Iterator[Mapping[str, Any]] = ({**ROW, "name": f"name {n}" * 20} for n in range(number))
        with (tmp_path / f"{number}").open("wb") as file:
            tracemalloc.start()
            writers.write(rows, FORM, format_, file)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    peak_bytes(10)
    assert peak_bytes(8_000) < peak_bytes(800) + 1_000_000
