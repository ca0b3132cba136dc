"""The page about channels of one's own, done as it says."""

import re
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from core.database import connect
from core.log.port import EVENTS, Record
from core.log.postgres import PostgresLog
from siyu.__main__ import app
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "channels" / "your-own.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Path:
    """A folder with the files of the page, in an installation that has the channels of the page."""
    (tmp_path / "channels.toml").write_text(block("toml"), encoding="utf-8")
    (tmp_path / "scans.ndjson").write_text(block("json"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIYU_CHANNELS_FILE", "channels.toml")
    monkeypatch.setenv("SIYU_DATABASE_URL", database_url)
    monkeypatch.setenv("SIYU_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("LANG", "C")
    return tmp_path


def appended(database_url: str) -> list[Record]:
    engine = connect(database_url)
    log = PostgresLog(engine, 4)
    with log.consumer(EVENTS, "the test") as consumer:
        records = [stored.record for stored in consumer.read(100, timeout_seconds=1)]
    engine.dispose()
    return records


def test_the_commands_of_the_page_do_what_it_says(installation: Path, database_url: str) -> None:
    commands = [line.partition("#")[0].split()[1:] for line in block("sh").splitlines() if line.startswith("siyu ")]

    codes = [CliRunner().invoke(app, command).exit_code for command in commands]

    assert codes == [0, 0, 3]
    (event,) = [orjson.loads(record.value) for record in appended(database_url)]
    assert (event["id"], event["trust"]) == ("k-1", "browser")
    assert [(each["namespace"], each["role"]) for each in event["identifiers"]] == [
        ("phone", "subject"),
        ("user_id", "hint"),
    ]
    (rejected,) = (installation / "scans.ndjson.rejected.ndjson").read_bytes().splitlines()
    assert orjson.loads(rejected)["code"] == "undeclared_type"


def test_the_list_shows_channels_of_ones_own_beside_those_that_ship(installation: Path) -> None:
    written = CliRunner().invoke(app, ["channels", "list", "--json"]).stdout

    by_name = {row["channel"]: row for row in map(orjson.loads, written.splitlines())}
    assert by_name["kiosk"]["types"] == ["offline.checked_in", "qr.scanned"]
    assert by_name["sms"]["purpose"] == "marketing"
    assert by_name["web"]["types"] is None
