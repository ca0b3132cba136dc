"""The command line: deciding about identities. Nobody stitches here, so what is decided is carried out by the command itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.siyu.test_cli import Siyu, event, written

A, A_MAIL, A_PHONE = "user_id:A", "email:alice@example.com", "phone:+8613912345678"
COOKIE, OPENID, PHONE = "anonymous_id@h5:c1", "wechat_openid@wx1:oAbcdefg", "phone:+8613912345679"
ALONE, OTHER = "user_id:alone", "user_id:other"
WHY = ("--why", "because")

EVENTS = [
    event(1, A, A_MAIL),
    event(2, A, A_PHONE, type="order.paid", order={"id": "o", "amount": 100, "currency": "CNY"}),
    event(3, COOKIE, OPENID),
    event(4, COOKIE, PHONE),
    event(5, ALONE),
    event(6, OTHER),
]


@pytest.fixture(scope="module")
def siyu(tmp_path_factory: pytest.TempPathFactory, server: Callable[[], str]) -> Iterator[Siyu]:
    """An installation that has taken `EVENTS`."""
    with Siyu(tmp_path_factory.mktemp("deciding"), SIYU_DATABASE_URL=server()) as siyu:
        done = siyu("ingest", written(siyu.directory / "events.ndjson", EVENTS), "--wait")
        assert done.returncode == 0, done.stderr
        yield siyu


@pytest.fixture
def as_before(siyu: Siyu) -> Iterator[None]:
    """Take back what a test decides."""
    before = people(siyu)
    yield
    for made in siyu.rows("directives", "list", "--json"):
        if made["in_force"] and made["directive"] is None:
            siyu.rows("directives", "retract", "--directive", made["id"], *WHY, "--json")
    assert people(siyu) == before


def people(siyu: Siyu) -> set[frozenset[str]]:
    return {
        frozenset(row["identifiers"]) for row in siyu.rows("export", "people", "--clear", "--json") if "events" in row
    }


def named(parts: list[dict[str, Any]]) -> set[frozenset[str]]:
    return {frozenset(each["identifier"] for each in part["identifiers"]) for part in parts}


@pytest.mark.usefixtures("as_before")
def test_two_are_merged_and_it_is_said_how_to_take_that_back(siyu: Siyu) -> None:
    done = siyu("person", "merge", ALONE, A, *WHY, "--by", "the desk")

    assert done.returncode == 0, done.stderr
    assert frozenset({A, A_MAIL, A_PHONE, ALONE}) in people(siyu)
    (made,) = [row for row in siyu.rows("directives", "list", "--json", "--clear") if row["in_force"]]
    assert (made["kind"], made["by"], made["why"]) == ("must_link", "the desk", "because")
    assert made["carried_out_at"]
    assert f"siyu directives retract --directive {made['id']}" in done.stdout
    assert siyu.rows("directives", "show", made["id"], "--json", "--clear") == [made]


def test_who_would_be_who_is_shown_masked_with_events_and_orders(siyu: Siyu) -> None:
    before = people(siyu)

    done = siyu("person", "split", A, A_PHONE, "--preview")
    clear = siyu("person", "split", A, A_PHONE, "--preview", "--clear")

    assert done.returncode == 0, done.stderr
    assert "+8613912345678" not in done.stdout
    assert "+86139****5678" in done.stdout
    assert "proven ×1" in done.stdout
    rows = [line.split() for line in clear.stdout.splitlines() if line.startswith(("before", "after"))]
    assert sorted((row[0], row[-2:]) for row in rows) == [
        ("after", ["0", "0"]),
        ("after", ["2", "1"]),
        ("before", ["2", "1"]),
    ]
    assert people(siyu) == before


@pytest.mark.usefixtures("as_before")
def test_a_split_is_proposed_at_the_weakest_point_and_carried_out(siyu: Siyu) -> None:
    (proposed,) = siyu.rows("person", "split", OPENID, "--preview", "--json", "--clear")
    ends = proposed["from"]["identifier"], proposed["to"]["identifier"]

    (made,) = siyu.rows("person", "split", *ends, *WHY, "--json", "--clear")

    assert set(ends) == {OPENID, PHONE}
    assert named(proposed["after"]) >= {frozenset({OPENID}), frozenset({PHONE})}
    assert made["kind"] == "cannot_link"
    assert people(siyu) >= {frozenset({OPENID}), frozenset({PHONE})}


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["must-link", ALONE, OTHER], {frozenset({ALONE, OTHER})}),
        (["cannot-link", A, A_PHONE], {frozenset({A, A_MAIL}), frozenset({A_PHONE})}),
        (["block", A_PHONE], {frozenset({A, A_MAIL})}),
        (["retract", "--event", "import", "2"], {frozenset({A, A_MAIL})}),
        (["retract", "--link", A_MAIL, A], {frozenset({A, A_PHONE}), frozenset({A_MAIL})}),
        (["retract", "--source", "import"], set()),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_each_kind_is_previewed_and_done(siyu: Siyu, words: list[str], expected: set[frozenset[str]]) -> None:
    before = people(siyu)

    (told,) = siyu.rows("directives", *words, "--preview", "--json", "--clear")
    unchanged = people(siyu)
    (made,) = siyu.rows("directives", *words, *WHY, "--json")

    assert unchanged == before
    assert made["carried_out_at"]
    assert people(siyu) >= expected
    assert named(told["before"]) <= before
    assert people(siyu) == (before - named(told["before"])) | {
        part for part in named(told["after"]) if part != frozenset({A_PHONE}) or words[0] != "block"
    }


def test_what_is_taken_back_already_fails_in_a_line(siyu: Siyu) -> None:
    (made,) = siyu.rows("directives", "block", ALONE, *WHY, "--json")
    siyu.rows("directives", "retract", "--directive", made["id"], *WHY, "--json")

    done = siyu("directives", "retract", "--directive", made["id"], *WHY)

    assert done.returncode == 1
    assert done.stderr == "error: this directive has been taken back already\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["person", "split", "phone:+8613912340000", A, *WHY], 4),
        (["person", "split", A, OPENID, *WHY], 4),
        (["directives", "show", "00000000-0000-8000-8000-000000000000"], 4),
        (["directives", "retract", "--directive", "00000000-0000-8000-8000-000000000000", *WHY], 4),
        (["directives", "retract", "--event", "import", "never", *WHY], 4),
        (["directives", "show", "no-id"], 2),
        (["directives", "block", A], 2),
        (["directives", "block", A, "--why", " "], 2),
        (["directives", "block", "A", *WHY], 2),
        (["directives", "must-link", A, A, *WHY], 2),
        (["directives", "must-link", A, "emial:alice@example.com", *WHY], 2),
        (["person", "split", A, "A", *WHY], 2),
        (["directives", "retract", *WHY], 2),
        (["directives", "retract", "--source", "import", "--event", "import", "1", *WHY], 2),
        (["person", "merge", A, OTHER], 2),
        (["person", "split", A, *WHY], 2),
        (["person", "split", ALONE, "--preview"], 1),
        (["person", "show", A, "--as-of", "yesterday"], 2),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_cannot_be_decided_has_its_exit_code(siyu: Siyu, words: list[str], code: int) -> None:
    done = siyu(*words)

    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_who_had_an_identifier_then_can_be_asked(siyu: Siyu) -> None:
    now = siyu.rows("person", "show", A_PHONE, "--json")

    for at in ("2026-06-01T12:00:00+08:00", "2026-06-01"):
        assert siyu.rows("person", "show", A_PHONE, "--as-of", at, "--json") == now


@pytest.mark.usefixtures("as_before")
def test_the_list_is_written_for_people_too(siyu: Siyu) -> None:
    siyu.rows("directives", "block", A_PHONE, "--why", "a hotline", "--json")

    shown = siyu("directives", "list").stdout

    assert "a hotline" in shown
    assert "+86139****5678" in shown
