"""The list of what must never be addressed, on the command line."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from siyu.__main__ import app
from siyu.terminal import Exit

PHONE, MAIL = "phone:+8613912345678", "email:jane@example.com"


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIYU_DATABASE_URL", database_url)
    monkeypatch.setenv("SIYU_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("LANG", "C")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["contact", *words])


def listed() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in run("list", "--json").stdout.splitlines()]


def test_what_is_blocked_is_listed_masked_until_it_is_allowed_again() -> None:
    assert run("block", PHONE, MAIL, "--reason", "asked by letter", "--by", "legal").exit_code == Exit.DONE

    found = {each["identifier"]: (each["reason"], each["by"]) for each in listed()}
    assert found == {
        "phone:+86139****5678": ("asked by letter", "legal"),
        "email:j***@example.com": ("asked by letter", "legal"),
    }

    assert run("allow", PHONE).exit_code == Exit.DONE
    assert [each["identifier"] for each in listed()] == ["email:j***@example.com"]
    assert run("allow", PHONE).exit_code == Exit.NOT_FOUND


def test_a_file_of_numbers_is_put_on_the_list_and_lines_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "\ufeff姓名,电话\n王,139 1234 5678\n李,12\n\n张,+8613912345679\n王,13912345678\n", encoding="utf-8"
    )

    done = run("import", "list.csv", "--reason", "register", "--column", "2")

    assert done.exit_code == Exit.PARTLY
    assert "line 3" in done.output
    assert "saved: 2" in done.output
    assert sorted(each["identifier"] for each in listed()) == ["phone:+86139****5678", "phone:+86139****5679"]


def test_what_cannot_be_addressed_is_refused() -> None:
    assert run("block", "user_id:A", "--reason", "r").exit_code == Exit.USAGE
    assert listed() == []
