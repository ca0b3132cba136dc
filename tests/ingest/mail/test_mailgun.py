"""Mailgun's events, and what its signature does not cover."""

from datetime import timedelta
from typing import Any

import pytest

from ingest.mail.mailgun import signature
from tests.ingest.given import NOW
from tests.ingest.signed import collecting, mailgun, post

PATH = "/collect/mail/mailgun"


def event_named(name: str, **more: Any) -> dict[str, Any]:
    return {"event": name, "id": "e1", "recipient": "a@b.example", "timestamp": NOW.timestamp(), **more}


def told(name: str, **more: Any) -> list[dict[str, Any]]:
    """The events that come of one called *name*."""
    to = collecting()
    assert post(to, PATH, mailgun(event_named(name, **more))).status_code == 200
    assert not to.quarantined
    return to.events


def test_the_signature_is_the_one_computed_elsewhere() -> None:
    expected = "c831b43c5b16fe108131ca2a0ee82b53808fd53255a924f124c12c5aa8b5c2a3"

    assert signature("key-test", "1700000000", "a" * 50) == expected


def test_a_token_that_came_is_good_for_nothing_else() -> None:
    to = collecting()
    content, headers = mailgun(event_named("delivered"))
    forged = content.replace(b"delivered", b"complained")

    first, again, other = to.send_all(
        [("POST", PATH, {"content": body, "headers": dict(headers)}) for body in (content, content, forged)]
    )

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 403)
    assert {event["type"] for event in to.events} == {"mail.delivered"}


@pytest.mark.parametrize("age", [timedelta(hours=10), timedelta(hours=-10)])
def test_what_is_older_than_it_tries_again_is_a_replay(age: timedelta) -> None:
    assert post(collecting(), PATH, mailgun(event_named("delivered"), NOW - age)).status_code == 403


@pytest.mark.parametrize(
    ("name", "more", "kinds"),
    [
        ("accepted", {}, ["mail.sent"]),
        ("delivered", {}, ["mail.delivered"]),
        ("opened", {}, ["mail.opened"]),
        ("clicked", {}, ["mail.clicked"]),
        ("failed", {"severity": "permanent"}, ["mail.bounced"]),
        ("failed", {"severity": "temporary"}, ["track"]),
        ("unsubscribed", {}, ["mail.unsubscribed", "consent.withdrawn"]),
        ("complained", {}, ["mail.complained", "consent.withdrawn"]),
    ],
)
def test_each_has_its_type(name: str, more: dict[str, Any], kinds: list[str]) -> None:
    events = told(name, **more)

    assert [event["type"] for event in events] == kinds
    role = "subject" if len(kinds) == 2 else "recipient"
    assert {one["role"] for event in events for one in event["identifiers"]} == {role}


def test_a_click_carries_its_link_its_place_and_its_browser() -> None:
    agent = {"client-info": {"user-agent": "Mozilla/5.0", "bot": "apple"}, "ip": "203.0.113.7"}
    variables = {"user-variables": {"siyu_link": "tOk3n", "plan": "a"}}

    (event,) = told("clicked", url="https://siyu.example/a", **agent, **variables)

    assert event["properties"] == {"url": "https://siyu.example/a", "plan": "a", "machine_open": True}
    assert event["context"] == {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}
    assert [one["value"] for one in event["identifiers"] if one["role"] == "hint"] == ["tOk3n"]


def test_what_is_signed_and_tells_nothing_is_kept() -> None:
    to = collecting()

    assert post(to, PATH, mailgun("nothing")).status_code == 200
    assert [record.headers["ce_code"] for record in to.quarantined] == ["missing"]
