"""Exports: what is written, in which order, and what of it may be seen."""

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection

from core import audit, embedded
from core.database import connect
from core.identifier import BlindIndex, parse
from siyu.looking import user
from tests.siyu.test_cli import DAY, SECRET_KEY, Siyu, event, written

INDEX = BlindIndex(SECRET_KEY.encode())
KIOSK, SWITCHBOARD = "device_id@oaid:kiosk-in-the-hall", "phone:+8613912345678"
LI = ["anonymous_id@h5:c1", "email:li@example.com", "user_id:li"]
WANG = ["email:wang@example.com", "user_id:wang", "wechat_openid@wx1:oWang"]
USERS = [f"user_id:U{number:02}" for number in range(21)]

EVENTS = [
    event(1, "anonymous_id@h5:c1"),
    event(2, "anonymous_id@h5:c1", "user_id:li"),
    event(3, "user_id:li", "email:Li@Example.com"),
    event(4, "user_id:wang", "wechat_openid@wx1:oWang"),
    event(5, "user_id:li", KIOSK),
    event(6, "user_id:wang", KIOSK),
    event(7, "user_id:wang", type="consent.given", channel="mail", properties={"purpose": "marketing"}),
    event(8, "user_id:wang", "email:wang@example.com"),
    *(event(10 + number, user, SWITCHBOARD) for number, user in enumerate(USERS)),
]


COLUMNS = (
    *("person_id", "canonical_identifier", "identifiers", "presumed", "first_seen", "events"),
    *("contested", "generic", "blocked", "owners"),
)


@pytest.fixture(scope="module")
def siyu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    with Siyu(tmp_path_factory.mktemp("export")) as siyu:
        done = siyu("ingest", written(siyu.directory / "events.ndjson", EVENTS), "--wait")
        assert done.returncode == 0, done.stderr
        yield siyu


def test_people_come_by_id_with_all_that_is_theirs(siyu: Siyu) -> None:
    """The shape is a contract: `siyu export people --clear --json`."""
    rows = siyu.rows("export", "people", "--clear", "--json")
    people = [row for row in rows if "person_id" in row]

    assert [row["person_id"] for row in people] == sorted(row["person_id"] for row in people)
    by_canonical = {row["canonical_identifier"]: row for row in people}
    assert by_canonical["anonymous_id@h5:c1"] == {
        "person_id": INDEX(parse("anonymous_id@h5:c1")),
        "canonical_identifier": "anonymous_id@h5:c1",
        "identifiers": LI,
        "presumed": [],
        "first_seen": by_canonical["anonymous_id@h5:c1"]["first_seen"],
        "events": 4,
    }
    assert by_canonical["user_id:wang"]["identifiers"] == WANG
    assert len(people) == 2 + len(USERS)


def test_times_are_rfc_3339_in_utc(siyu: Siyu) -> None:
    first = next(
        r for r in siyu.rows("export", "people", "--json", "--clear") if "user_id:li" in r.get("identifiers", [])
    )

    assert first["first_seen"].startswith((DAY + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:00"))
    assert first["first_seen"].endswith(("Z", "+00:00"))


def test_what_nobody_owns_comes_last_with_those_who_would(siyu: Siyu) -> None:
    rows = siyu.rows("export", "people", "--clear", "--json")
    by_identifier = {written: row["person_id"] for row in rows for written in row.get("identifiers", [])}

    nobodys = rows[-2:]

    assert {frozenset(row) for row in nobodys} == {frozenset({"contested", "owners"}), frozenset({"generic", "owners"})}
    contested, generic = sorted(nobodys, key=lambda row: "generic" in row)
    assert contested == {"contested": KIOSK, "owners": sorted(by_identifier[u] for u in ("user_id:li", "user_id:wang"))}
    assert generic == {"generic": SWITCHBOARD, "owners": sorted(by_identifier[user] for user in USERS)}
    assert by_identifier.keys().isdisjoint({KIOSK, SWITCHBOARD})


def test_identifiers_are_masked_unless_clear(siyu: Siyu) -> None:
    masked = siyu("export", "people", "--json").stdout

    for hidden in ("+8613912345678", "li@example.com", "kiosk-in-the-hall", "oWang"):
        assert hidden not in masked
    assert len(masked.splitlines()) == len(siyu.rows("export", "people", "--clear", "--json"))


def test_every_format_says_the_same(siyu: Siyu) -> None:
    rows = siyu.rows("export", "people", "--clear", "--format", "ndjson")
    to_csv = siyu("export", "people", "--clear", "--format", "csv", "--output", siyu.directory / "people.csv")
    to_parquet = siyu(
        "export", "people", "--clear", "--format", "parquet", "--output", siyu.directory / "people.parquet"
    )

    assert (to_csv.returncode, to_parquet.returncode) == (0, 0), to_csv.stderr + to_parquet.stderr
    table = pq.read_table(siyu.directory / "people.parquet")
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == [{name: row.get(name) for name in COLUMNS} for row in rows]
    content = (siyu.directory / "people.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert [line["person_id"] or None for line in lines] == [row.get("person_id") for row in rows]


def test_a_spreadsheet_runs_nothing_that_somebody_sent(siyu: Siyu, tmp_path: Path) -> None:
    """A value that begins like a formula is text."""
    formula = '=HYPERLINK("http://evil.example.com","win")'
    siyu("ingest", written(tmp_path / "evil.ndjson", [event(90, f"user_id:{formula}")]), "--wait")

    lines = siyu("export", "people", "--clear", "--format", "csv").stdout.lstrip("\ufeff").splitlines()

    cells = [cell for line in csv.reader(lines) for cell in line if "HYPERLINK" in cell]
    assert cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_an_export_to_a_file_is_what_is_written_to_standard_output(siyu: Siyu, tmp_path: Path) -> None:
    done = siyu("export", "people", "--clear", "--output", tmp_path / "people.ndjson")

    assert done.stdout == ""
    assert (tmp_path / "people.ndjson").read_text(encoding="utf-8") == siyu("export", "people", "--clear").stdout


def test_an_empty_installation_exports_nothing(siyu: Siyu, tmp_path: Path) -> None:
    with Siyu(tmp_path) as empty:
        done = empty("export", "people", "--json")

    assert (done.returncode, done.stdout) == (0, "")


def test_ids_are_those_of_the_key(siyu: Siyu) -> None:
    """So another installation with the same key gives the same people the same ids."""
    rows = siyu.rows("export", "people", "--clear", "--json")
    people = [json.loads(json.dumps(row)) for row in rows if "person_id" in row]

    assert all(row["person_id"] == INDEX(parse(row["canonical_identifier"])) for row in people)


# Events, links, lists for ad platforms


def test_events_come_in_the_order_in_which_they_happened(siyu: Siyu) -> None:
    rows = siyu.rows("export", "events", "--clear")

    times = [row["occurred_at"] for row in rows]
    assert times == sorted(times)
    first = rows[0]
    assert (first["event_id"], first["type"], first["person_id"]) == ("1", "page.viewed", INDEX(parse(LI[0])))
    assert first["identifiers"] == ["anonymous_id@h5:c1"]


def test_events_can_be_had_in_part(siyu: Siyu) -> None:
    until = (DAY + timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%S%z")

    assert len(siyu.rows("export", "events", "--to", until)) == 2
    assert [row["event_id"] for row in siyu.rows("export", "events", "--type", "consent.given")] == ["7"]
    assert siyu.rows("export", "events", "--channel", "sms") == []


def test_links_say_what_people_rest_on(siyu: Siyu) -> None:
    rows = siyu.rows("export", "links", "--clear")

    ends = [{row["one"], row["other"]} for row in rows]
    assert {"anonymous_id@h5:c1", "user_id:li"} in ends
    assert "proven" in {row["strength"] for row in rows}


def test_an_ad_platform_gets_hashes_of_those_who_agreed(siyu: Siyu) -> None:
    done = siyu("export", "audience", "--platform", "google")

    digest = hashlib.sha256(b"wang@example.com").hexdigest()
    assert done.stdout.splitlines() == ["Email,Phone", f"{digest},"]


def test_looks_in_clear_are_written_down_and_others_are_not(siyu: Siyu, tmp_path: Path) -> None:
    with Siyu(tmp_path) as other:
        other("ingest", written(tmp_path / "events.ndjson", EVENTS[:3]), "--wait")
        for more in ([], ["--clear"]):
            assert other("export", "events", *more).returncode == 0
        with opened_database(tmp_path) as connection:
            looks = audit.listing(connection, None, 10)

    assert [(look.key, look.what, look.count) for _, look in looks] == [(f"cli:{user()}", "export of events", 3)]


@pytest.mark.parametrize(
    "words",
    [["events", "--type", "No Such"], ["audience", "--platform", "nobody"], ["links", "--format", "xlsx"]],
    ids=" ".join,
)
def test_what_cannot_be_exported_is_wrong_usage(siyu: Siyu, words: list[str]) -> None:
    done = siyu("export", *words)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_article_that_nobody_knows_is_not_found(siyu: Siyu) -> None:
    assert siyu("export", "audience", "--platform", "meta", "--article", "a-0").returncode == 4


@contextmanager
def opened_database(directory: Path) -> Iterator[Connection]:
    """The database of the installation in *directory*."""
    engine = connect(embedded.start(directory / "data"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()
