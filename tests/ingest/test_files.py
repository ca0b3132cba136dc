"""Files into the log: what is taken, what is left over, and what a file may look like."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from core.errors import InvalidEvent, InvalidSetting, Unavailable
from core.event import Trust
from core.keys import Key, Scope
from core.log.port import EVENTS
from core.log.postgres import PostgresLog
from ingest.files import BATCH_LINES_MAX, Form, Progress, Report, ingest_file
from ingest.layout import Layout, layout_of, read_layout
from ingest.lines import LINE_BYTES_MAX
from tests.ingest.given import BROWSER, MemoryLog, document, event, receiver

IMPORT = Key("import", frozenset({Scope.EVENTS_WRITE}), "import", Trust.IMPORT)
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events"


def ingest(path: Path | str, log: MemoryLog, **options: Any) -> Report:
    return ingest_file(str(path), receiver=receiver(), key=IMPORT, log=log, **options)


def lines(*events: Any) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in events)


def rejected(path: Path | None) -> Sequence[dict[str, Any]]:
    assert path is not None
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def said(log: MemoryLog) -> Sequence[Any]:
    return [document(record) for record in log.records]


def test_every_line_becomes_an_event(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(*(event(id=str(number)) for number in range(2 * BATCH_LINES_MAX + 1))))

    report = ingest(path, log)

    assert (report.lines, report.accepted, report.rejected) == (2_001, 2_001, 0)
    assert log.ids == {str(number): 1 for number in range(2_001)}
    assert max(map(len, log.appends)) <= BATCH_LINES_MAX
    assert report.ends == {partition: end for partition, end in log.ends(EVENTS).items() if end}


def test_rejected_lines_stand_in_a_file_beside_with_the_reason(path: Path, log: MemoryLog) -> None:
    bad = orjson.dumps(event(type="no"))
    path.write_bytes(lines(event(id="1")) + bad + b"\r\n" + b"\n" + b"{\n" + lines(event(id="2")))

    report = ingest(path, log)

    assert (report.lines, report.accepted, report.rejected) == (4, 2, 2)
    assert report.rejects == path.with_name("events.rejected.ndjson")
    assert [(each["line"], each["code"], each["event"]) for each in rejected(report.rejects)] == [
        (2, "value_error", bad.decode()),
        (4, "invalid_json", "{"),
    ]
    assert log.ids == {"1": 1, "2": 1}


def test_there_is_no_file_of_rejects_without_one(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(event()))

    assert ingest(path, log).rejects is None
    assert list(path.parent.iterdir()) == [path]


def test_rejects_are_for_nobody_else_to_read(path: Path, log: MemoryLog) -> None:
    path.write_bytes(b"{\n")

    rejects = ingest(path, log).rejects

    assert rejects is not None
    assert rejects.stat().st_mode & 0o077 == 0


def test_bad_bytes_cost_their_own_line_only(path: Path, log: MemoryLog) -> None:
    path.write_bytes(b'{"type": "\xff"}\n' + lines(event(id="1")) + b"\0\n" + lines(event(id="2")))

    report = ingest(path, log, form=Form.NDJSON)

    assert log.ids == {"1": 1, "2": 1}
    assert [each["line"] for each in rejected(report.rejects)] == [1, 3]
    assert rejected(report.rejects)[0]["event"] == '{"type": "\ufffd"}'


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("length", [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 2, 5 * LINE_BYTES_MAX])
def test_a_line_that_is_too_long_is_skipped_to_its_end(path: Path, log: MemoryLog, length: int, end: bytes) -> None:
    path.write_bytes(lines(event(id="1")) + b"x" * length + end)
    if end:
        path.write_bytes(path.read_bytes() + lines(event(id="2")))

    report = ingest(path, log)

    assert log.ids == ({"1": 1, "2": 1} if end else {"1": 1})
    (reject,) = rejected(report.rejects)
    assert (reject["line"], reject["code"]) == (2, "invalid_json" if length == LINE_BYTES_MAX else "too_large")


def test_a_byte_order_mark_and_a_missing_last_line_end_do_no_harm(path: Path, log: MemoryLog) -> None:
    path.write_bytes(BOM + lines(event(id="1")) + orjson.dumps(event(id="2")))

    ingest(path, log)

    assert log.ids == {"1": 1, "2": 1}


def test_an_empty_file_is_done_at_once(path: Path, log: MemoryLog) -> None:
    path.write_bytes(b"")

    for form in (None, *Form):
        assert ingest(path, log, form=form) == Report(0, 0, 0, {}, None)


def test_standard_input_is_a_file_too(tmp_path: Path, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    piped = io.BufferedReader(io.BytesIO(lines(event(id="1"), 1)))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(piped))

    report = ingest("-", log, form=Form.NDJSON)

    assert log.ids == {"1": 1}
    assert [path.name for path in tmp_path.iterdir()] == [str(report.rejects)] == ["stdin.rejected.ndjson"]


def test_progress_is_told_and_ends_at_the_end(path: Path, log: MemoryLog) -> None:
    path.write_bytes(BOM + lines(*(event() for _ in range(2_500)), 1))
    told: list[Progress] = []

    ingest(path, log, progress=told.append)

    assert len(told) == 4
    assert told == sorted(told, key=lambda each: each.bytes_done)
    assert told[-1] == Progress(path.stat().st_size, 2_500, 1)


def test_a_file_ingested_again_makes_no_new_ids(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(event(properties={"n": 1}), event(properties={"n": 2})))

    ingest(path, log)
    ingest(path, log)

    assert sorted(log.ids.values()) == [2, 2]


def test_a_log_that_comes_back_soon_loses_nothing(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(*(event(id=str(number)) for number in range(2_500))))
    log.failures = [Unavailable("restarting"), Unavailable("restarting")]

    assert ingest(path, log).accepted == 2_500
    assert log.ids == {str(number): 1 for number in range(2_500)}


def test_a_log_that_does_not_come_back_is_an_error(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(event()))
    log.failures = [Unavailable("gone")] * 100

    with pytest.raises(Unavailable):
        ingest(path, log, patience_seconds=0.1)


def test_constants_and_a_zone_complete_the_lines(path: Path, log: MemoryLog) -> None:
    path.write_bytes(
        lines({"type": "article.read", "occurred_at": "2026-11-03 20:41:07"}, event(channel="sms"), {"channel": 1}, 7)
    )

    report = ingest(path, log, layout=Layout(constants={"channel": "import"}, zone="+08:00"))

    assert [each["channel"] for each in said(log)] == ["import", "sms"]
    assert {each["occurred_at"] for each in said(log)} == {"2026-11-03T12:41:07Z"}
    assert [each["line"] for each in rejected(report.rejects)] == [3, 4]


def test_the_form_is_known_by_the_name_and_then_by_the_first_byte(tmp_path: Path, log: MemoryLog) -> None:
    header = b"id,type,channel,occurred_at\n"
    row = b"2,article.read,h5,2026-11-03T20:41:07Z\n"
    line = lines(event(id="1"))
    files = {"a.jsonl": line, "b.csv": header + row, "c": BOM + line, "d": BOM + header + row}

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        ingest(tmp_path / name, log)

    assert log.ids == {"1": 2, "2": 2}


CSV = """\
id,type,channel,occurred_at,source,strength,article.id,article.topics,order.id,order.amount,properties.dwell_ms,\
properties.sku,properties.paid,phone,wechat_openid@wx8a1
1,order.placed,shop,2026-11-03T20:41:07+08:00,hq,proven,a-1,选型 | 采购,o-1,12900,1300.5,0012,true,139 1234 5678,oXY
2,article.read,h5,2026-11-03T20:41:07+08:00,,,,,,,,,,,
"""


def test_a_column_is_named_like_its_field(path: Path, log: MemoryLog) -> None:
    path.write_text(CSV)

    assert ingest(path, log, form=Form.CSV).accepted == 2

    full, bare = sorted(said(log), key=lambda each: str(each["id"]))
    assert (full["source"], full["strength"], full["channel"]) == ("hq", "proven", "shop")
    assert full["article"] == {"id": "a-1", "topics": ["选型", "采购"]}
    assert full["order"] == {"id": "o-1", "amount": 12_900, "currency": "CNY", "items": []}
    assert full["properties"] == {"dwell_ms": 1300.5, "sku": "0012", "paid": True}
    assert [(each["namespace"], each["scope"], each["value"]) for each in full["identifiers"]] == [
        ("phone", "", "+8613912345678"),
        ("wechat_openid", "wx8a1", "oXY"),
    ]
    assert (bare["source"], bare["strength"], bare["identifiers"], bare["properties"]) == ("import", "declared", [], {})


MAPPING = """\
zone = "+08:00"
[constants]
type = "identify"
channel = "import"
[columns]
"手机号" = "phone"
"注册时间" = "occurred_at"
"""


@pytest.mark.parametrize("name", ["mapping.toml", "mapping.json"])
def test_a_mapping_says_what_other_columns_mean(path: Path, log: MemoryLog, name: str) -> None:
    mapping = path.with_name(name)
    columns = {"手机号": "phone", "注册时间": "occurred_at"}
    constants = {"type": "identify", "channel": "import"}
    as_json = orjson.dumps({"zone": "+08:00", "constants": constants, "columns": columns})
    mapping.write_bytes(as_json if name.endswith("json") else MAPPING.encode())
    path.write_text("姓名,手机号,注册时间\n王,13912345678,2026-11-03 20:41\n", encoding="utf-8-sig")

    ingest(path, log, form=Form.CSV, layout=read_layout(mapping))

    (one,) = said(log)
    assert (one["type"], one["channel"], one["occurred_at"]) == ("identify", "import", "2026-11-03T12:41:00Z")
    assert [each["value"] for each in one["identifiers"]] == ["+8613912345678"]


@pytest.mark.parametrize(
    "content", ["[", "[other]\n", "columns = 1", "[constants]\nchannel = 1", 'zone = "Shanghai"', "zone = 8", "\udcff"]
)
def test_a_mapping_that_is_none_is_an_invalid_setting(tmp_path: Path, content: str) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(InvalidSetting, match="mapping"):
        read_layout(mapping)


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        ("type,artcle.id", Layout()),
        ("type,article.items", Layout()),
        ("type,properties.", Layout()),
        ("type,", Layout()),
        ("type", Layout({"phone": "phone"})),
        ("type,电话", Layout({"电话": "telephone"})),
        ("type", Layout(constants={"chanel": "h5"})),
        ('"type', Layout()),
    ],
)
def test_a_header_that_cannot_be_understood_stops_everything(
    path: Path, log: MemoryLog, header: str, layout: Layout
) -> None:
    path.write_text(f"{header}\n1,2\n")

    with pytest.raises(InvalidEvent):
        ingest(path, log, form=Form.CSV, layout=layout)
    assert log.appends == []


def test_a_bad_row_costs_no_other(path: Path, log: MemoryLog) -> None:
    rows = [
        b"id,type,channel,occurred_at,properties.note",
        b"1,article.read,h5,2026-11-03T20:41:07Z,",
        b"2,article.read",
        b'3,article.read,h5,2026-11-03T20:41:07Z,"two',
        b'lines, one record"',
        b"",
        b"5,article.read,h5,2026-11-03T20:41:07Z,\xff",
        b"6,no,h5,2026-11-03T20:41:07Z,",
        b"7," + b"x" * 2 * LINE_BYTES_MAX,
        b'8,article.read,h5,2026-11-03T20:41:07Z,"a"b',
        b"9,article.read,h5,2026-11-03T20:41:07Z,",
    ]
    path.write_bytes(b"\r\n".join(rows))

    report = ingest(path, log, form=Form.CSV)

    assert log.ids == {"1": 1, "3": 1, "9": 1}
    assert document(log.records[1])["properties"] == {"note": "two\r\nlines, one record"}
    assert [(each["line"], each["code"]) for each in rejected(report.rejects)] == [
        (3, "wrong_number_of_cells"),
        (7, "invalid_utf8"),
        (8, "value_error"),
        (9, "too_large"),
        (10, "invalid_csv"),
    ]
    assert rejected(report.rejects)[0]["event"] == "2,article.read"


def test_a_quotation_mark_that_never_ends_swallows_no_more_than_a_line_may_be_long(path: Path, log: MemoryLog) -> None:
    bad = '0,article.read,h5,2026-11-03T20:41:07Z,"oops\n'
    good = "{},article.read,h5,2026-11-03T20:41:07Z,\n"
    rows = [bad, *(good.format(number) for number in range(1, 5_001))]
    path.write_text("id,type,channel,occurred_at,properties.note\n" + "".join(rows))

    report = ingest(path, log, form=Form.CSV)

    (reject,) = rejected(report.rejects)
    assert (reject["line"], reject["code"]) == (2, "too_large")
    assert log.ids["5000"] == 1
    assert report.accepted > 5_000 - LINE_BYTES_MAX // len(good) - 2


def test_a_browser_key_does_not_speak_for_another_source(path: Path, log: MemoryLog) -> None:
    path.write_bytes(lines(event(source="hq")))

    ingest_file(str(path), receiver=receiver(), key=BROWSER, log=log)

    assert said(log)[0]["source"] == BROWSER.source


def test_the_ends_are_what_a_reader_has_to_reach(path: Path, engine: Engine) -> None:
    path.write_bytes(lines(*(event(id=str(n), identifiers=[f"user_id:{n}"]) for n in range(1_500))))
    log = PostgresLog(engine, 4)

    report = ingest_file(str(path), receiver=receiver(), key=IMPORT, log=log)

    assert report.ends == log.ends(EVENTS)
    assert sum(report.ends.values()) == report.accepted == 1_500


ROWS = "手机号,注册时间\n" + "".join(f"1391234{n:04},2026-11-03 20:41\n" for n in range(5))
CHINESE = Layout(
    {"手机号": "phone", "注册时间": "occurred_at"}, {"type": "identify", "channel": "import"}, zone="+08:00"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312"])
def test_a_file_of_a_chinese_spreadsheet_is_read_as_it_is_written(path: Path, log: MemoryLog, encoding: str) -> None:
    path.write_bytes(ROWS.encode(encoding))

    assert ingest(path, log, form=Form.CSV, layout=CHINESE).accepted == 5


def test_a_file_is_the_same_events_in_either_encoding(path: Path, log: MemoryLog) -> None:
    rows = f"type,channel,occurred_at,properties.city\nidentify,import,2026-11-03T20:41:07Z,{'苏州'}\n"
    for encoding in ("utf-8", "gb18030"):
        path.write_bytes(rows.encode(encoding))
        ingest(path, log, form=Form.CSV)

    (twice,) = log.ids.values()
    assert twice == 2
    assert {each["properties"]["city"] for each in said(log)} == {"苏州"}


def test_a_row_that_is_rejected_is_kept_in_utf_8(path: Path, log: MemoryLog) -> None:
    path.write_bytes(
        "type,channel,occurred_at,properties.city\nno,import,2026-11-03T20:41:07Z,苏州\n".encode("gb18030")
    )

    assert "苏州" in rejected(ingest(path, log, form=Form.CSV).rejects)[0]["event"]


def test_a_few_damaged_lines_do_not_turn_a_file_into_another_encoding(path: Path, log: MemoryLog) -> None:
    rows = ["type,channel,occurred_at,properties.city"]
    rows += ["identify,import,2026-11-03T20:41:07Z,苏州"] * 3
    damaged = b"identify,import,2026-11-03T20:41:07Z,\xcb\xd5\n"  # which reads in GB18030

    path.write_bytes("\n".join(rows).encode() + b"\n" + damaged)

    report = ingest(path, log, form=Form.CSV)
    assert [each["code"] for each in rejected(report.rejects)] == ["invalid_utf8"]
    assert report.accepted == 3


@pytest.mark.parametrize(
    ("cell", "fen"),
    [
        ("129", 12_900),
        ("129.5", 12_950),
        ("129.50", 12_950),
        ("129.500", 12_950),
        ("¥1,299.05", 129_905),
        ("1299元", 129_900),
        ("-0.01", -1),
        ("0", 0),
        ("129.505", None),
        ("1,29", None),
        ("abc", None),
        ("1e3", None),
    ],
)
def test_an_amount_in_yuan_becomes_fen_or_is_refused(path: Path, log: MemoryLog, cell: str, fen: int | None) -> None:
    layout = Layout(
        {"id": "order.id", "paid": "order.amount"},
        {"type": "order.paid", "channel": "orders", "occurred_at": "2026-11-03T20:41:07Z"},
        units={"order.amount": "yuan"},
    )
    path.write_text(f'id,paid\no1,"{cell}"\n', encoding="utf-8")

    report = ingest(path, log, form=Form.CSV, layout=layout)

    if fen is None:
        (reject,) = rejected(report.rejects)
        assert (reject["code"], reject["pointer"]) == ("invalid_amount", "/order/amount")
    else:
        assert [each["order"].get("amount", 0) for each in said(log)] == [fen]


def test_another_unit_than_yuan_is_no_mapping() -> None:
    with pytest.raises(InvalidSetting, match="yuan"):
        Layout(units={"order.amount": "dollars"})


AGREEING = {
    "constants": {"type": "identify", "channel": "import", "occurred_at": "2026-11-03T20:41:07Z"},
    "columns": {"手机": "phone"},
    "consent": {"同意短信": {"channel": "sms", "purpose": "marketing"}},
}


def test_a_column_of_consent_is_an_event_of_its_own_with_the_line_as_evidence(path: Path, log: MemoryLog) -> None:
    path.write_text("手机,同意短信\n13912345670,是\n13912345671,No\n13912345672,\n", encoding="utf-8")

    ingest(path, log, form=Form.CSV, layout=layout_of(AGREEING, "fair"))

    told = {(each["identifiers"][0]["value"][-1], each["type"]): each["properties"] for each in said(log)}
    evidence = {"file": "events", "line": 2}
    assert told["0", "consent.given"] == {"channel": "sms", "purpose": "marketing", "evidence": evidence}
    assert [key for key in sorted(told) if key[1] != "identify"] == [("0", "consent.given"), ("1", "consent.withdrawn")]
    assert len(told) == 5


def test_a_consent_that_is_neither_yes_nor_no_rejects_its_row(path: Path, log: MemoryLog) -> None:
    path.write_text("手机,同意短信\n13912345670,maybe\n", encoding="utf-8")

    report = ingest(path, log, form=Form.CSV, layout=layout_of(AGREEING, "fair"))

    assert [each["code"] for each in rejected(report.rejects)] == ["invalid_consent"]
    assert said(log) == []


@pytest.mark.parametrize(
    "consent", [{"a": "sms"}, {"a": {"channel": "sms"}}, {"a": {"channel": "SMS", "purpose": "x"}}, 1]
)
def test_a_consent_without_channel_and_purpose_is_no_mapping(consent: object) -> None:
    with pytest.raises(InvalidSetting, match="consent"):
        layout_of({"consent": consent}, "fair")
