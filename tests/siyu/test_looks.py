"""Every look in clear from the command line is written down: by every command that has `--clear`, without a list of them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from core import audit
from core.audit import Look
from core.database import connect, transaction
from profiles.segments import rulesets, store
from profiles.segments.conditions import Read
from siyu.__main__ import app
from siyu.looking import user
from tests.conftest import ROOT
from tests.siyu.test_cli import Siyu, event, written

PHONE, USER, OTHER = "phone:+8613912345678", "user_id:li", "user_id:wang"
EVENTS = [
    event(1, USER, PHONE),
    event(2, USER, type="article.read", article={"id": "a-1"}),
    event(3, "user_id:wang", "email:wang@example.com"),
]


def commands(command: Any, *names: str) -> Iterator[str]:
    """The names of all commands below *command* that have `--clear`."""
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, *names, name)
    if any("--clear" in parameter.opts for parameter in command.params):
        yield " ".join(names)


COMMANDS = sorted(commands(get_command(app)))


@pytest.fixture(scope="module")
def siyu(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    with Siyu(tmp_path_factory.mktemp("looks"), SIYU_DATABASE_URL=server()) as siyu:
        done = siyu("ingest", written(siyu.directory / "events.ndjson", EVENTS), "--wait")
        assert done.returncode == 0, done.stderr
        yield siyu


def looks(siyu: Siyu) -> list[Look]:
    """All that is written down, the latest first."""
    engine = connect(siyu.environment["SIYU_DATABASE_URL"])
    with engine.connect() as connection:
        found = [look for _, look in audit.listing(connection, None, 1_000)]
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def asked(siyu: Siyu) -> dict[str, list[str | Path]]:
    """What each command, or each of its kind, is asked."""
    (link,) = siyu.rows("links", "mint", "https://shop.example/", "--channel", "sms", "--json")
    blocked = siyu("directives", "block", "user_id:hall", "--why", "a hall", "--json")
    rules = siyu.directory / "rules.toml"
    rules.write_bytes((ROOT / "stitcher" / "rules.toml").read_bytes())
    engine = connect(siyu.environment["SIYU_DATABASE_URL"])
    with transaction(engine) as connection:
        store.add(connection, rulesets.segment("readers", Read(kind="read"), {}), "tests", datetime.now(UTC))
    engine.dispose()
    preview = ["--why", "a test", "--preview"]
    return {
        "article": ["a-1"],
        "directives block": [PHONE, *preview],
        "directives cannot-link": [PHONE, USER, *preview],
        "directives list": [],
        "directives must-link": [PHONE, OTHER, *preview],
        "directives retract": ["--source", "crm", *preview],
        "directives show": [json.loads(blocked.stdout)["id"]],
        "links": [link["url"].rpartition("/")[2]],
        "person": [PHONE],
        "person merge": [PHONE, OTHER, *preview],
        "person split": [PHONE, USER, *preview],
        "person why": [PHONE, USER],
        "rules": [rules],
        "segment": ["readers"],
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_look_in_clear_is_written_down_and_never_whom_it_was_about(
    command: str, siyu: Siyu, asked: dict[str, list[str | Path]]
) -> None:
    words = asked.get(command, asked.get(command.partition(" ")[0], []))
    before = looks(siyu)

    masked = siyu(*command.split(), *words)
    assert (masked.returncode, looks(siyu)) == (0, before), masked.stderr
    done = siyu(*command.split(), *words, "--clear")

    assert done.returncode == 0, done.stderr
    look, *others = looks(siyu)
    assert others == before
    assert look.key == f"cli:{user()}"
    assert "13912345678" not in str(look)


def test_by_a_person_looks_from_the_command_line_are_found_too(siyu: Siyu) -> None:
    (shown,) = siyu.rows("person", "show", PHONE, "--clear", "--json")

    assert looks(siyu)[0].person == shown["person_id"]
