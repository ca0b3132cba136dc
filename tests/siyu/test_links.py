"""Tracked links on the command line."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from siyu.__main__ import app
from siyu.terminal import Exit

PAGE = "https://h5.example/a"


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIYU_DATABASE_URL", database_url)
    monkeypatch.setenv("SIYU_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("SIYU_PUBLIC_URL", "https://siyu.example/")
    monkeypatch.setenv("LANG", "C")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["links", *words])


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == Exit.DONE, result.output
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_each_line_of_a_file_gets_a_link_of_its_own(tmp_path: Path, engine: Engine) -> None:
    numbers = [f"phone:+86139{number:08}" for number in range(12_345_000, 12_346_001)]
    (tmp_path / "numbers.txt").write_text("\n".join(numbers), encoding="utf-8")

    minted = rows(run("mint", PAGE, "--channel", "sms", "--recipients", "numbers.txt", "--campaign", "c-1", "--json"))

    assert [row["recipient"] for row in minted] == numbers
    assert len({row["token"] for row in minted}) == len(numbers)
    assert minted[0]["url"] == f"https://siyu.example/s/{minted[0]['token']}"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tracked_link")).scalar_one() == len(numbers)


def test_a_line_that_names_nobody_is_named_and_nothing_is_minted(tmp_path: Path, engine: Engine) -> None:
    good = [f"phone:+86139{number:08}" for number in range(12_345_000, 12_346_000)]
    (tmp_path / "numbers.txt").write_text("\n".join([*good, "phone:123"]), encoding="utf-8")

    result = run("mint", PAGE, "--channel", "sms", "--recipients", "numbers.txt")

    assert result.exit_code == Exit.USAGE
    assert "line 1001" in result.output
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tracked_link")).scalar_one() == 0


@pytest.mark.parametrize(
    ("url", "channel"),
    [("javascript:alert(1)", "sms"), (PAGE, "coupon"), (PAGE, "No word"), (PAGE + "a" * 3_000, "sms")],
)
def test_what_cannot_be_minted_is_refused(url: str, channel: str) -> None:
    assert run("mint", url, "--channel", channel).exit_code == Exit.USAGE


def test_a_link_shows_where_it_leads_and_masks_to_whom_it_was_sent(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("phone:+8613912345678\n", encoding="utf-8")
    (link,) = rows(run("mint", PAGE, "--channel", "sms", "--recipients", "numbers.txt", "--json"))

    (masked,) = rows(run("show", link["token"], "--json"))
    (clear,) = rows(run("show", link["token"], "--clear", "--json"))

    assert (masked["url"], masked["recipient"]) == (PAGE, "phone:+86139****5678")
    assert clear["recipient"] == "phone:+8613912345678"
    assert run("show", "forged").exit_code == Exit.NOT_FOUND
