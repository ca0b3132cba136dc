"""What a declared channel may carry, report and vouch for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.channel import EVERYWHERE, Channel, Declarations, shipped
from core.errors import InvalidEvent
from core.event import TYPES, Event, Role, Strength, Trust, parse
from core.identifier import Drop
from stitcher import rules

NAMESPACES = rules.shipped().namespaces
NOW = datetime(2026, 11, 3, tzinfo=UTC)
KIOSK = Channel(namespaces=frozenset({"phone"}), types=frozenset({"qr.scanned"}), trust=Trust.BROWSER)


def event(*identifiers: object, trust: Trust = Trust.SERVER, **fields: Any) -> Event:
    written = {"type": "qr.scanned", "channel": "kiosk", "occurred_at": NOW.isoformat(), "identifiers": [*identifiers]}
    return parse(
        written | fields,
        source="shop",
        trust=trust,
        strength=Strength.OBSERVED,
        received_at=NOW,
        namespaces=NAMESPACES,
    )


def judged(of: Event, **declared: Channel) -> Event:
    return Declarations(declared).judge(of, NAMESPACES).event


def test_what_is_not_declared_is_taken_as_it_comes() -> None:
    came = event("phone:13912345678", "user_id:u", channel="pigeon")

    assert judged(came, kiosk=KIOSK) is came


def test_an_identifier_that_the_channel_does_not_carry_is_kept_as_a_hint() -> None:
    recipient = {"namespace": "email", "value": "j@example.com", "role": "recipient"}
    of = event("phone:13912345678", "user_id:u", recipient)

    told = Declarations({"kiosk": KIOSK}).judge(of, NAMESPACES)

    assert [(m.namespace, m.role) for m in told.event.identifiers] == [
        ("phone", Role.SUBJECT),
        ("user_id", Role.HINT),
        ("email", Role.HINT),
    ]
    assert list(told.not_carried) == ["user_id", "email"]


def test_a_hint_that_the_channel_does_not_carry_is_dropped_so_that_it_opens_nothing() -> None:
    told = judged(event("phone:13912345678", "link_token:t1"), kiosk=KIOSK)

    assert [m.namespace for m in told.identifiers] == ["phone"]
    assert [(d.namespace, d.reason) for d in told.dropped] == [("link_token", Drop.UNDECLARED)]


def test_a_type_that_the_channel_does_not_report_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidEvent) as refused:
        judged(event(type="order.paid"), kiosk=KIOSK)

    assert (refused.value.code, refused.value.pointer) == ("undeclared_type", "/type")


@pytest.mark.parametrize("event_type", sorted(EVERYWHERE))
def test_every_channel_may_say_who_somebody_is_and_what_he_wants(event_type: str) -> None:
    assert judged(event(type=event_type), kiosk=KIOSK).type == event_type


@pytest.mark.parametrize(
    ("of_key", "of_channel", "of_event"),
    [
        (Trust.SERVER, Trust.BROWSER, Trust.BROWSER),
        (Trust.SERVER, Trust.IMPORT, Trust.IMPORT),
        (Trust.BROWSER, Trust.SERVER, Trust.BROWSER),
        (Trust.IMPORT, Trust.SERVER, Trust.IMPORT),
        (Trust.SERVER, None, Trust.SERVER),
    ],
)
def test_an_event_is_believed_as_far_as_both_its_key_and_its_channel_are(
    of_key: Trust, of_channel: Trust | None, of_event: Trust
) -> None:
    assert judged(event(trust=of_key), kiosk=Channel(trust=of_channel)).trust is of_event


def test_what_an_installation_says_replaces_what_is_shipped_and_nothing_else() -> None:
    own = {"sms": Channel(purpose="service", types=frozenset()), "kiosk": KIOSK}

    known = shipped().extended(own).by_name

    assert known["sms"].purpose == "service"
    assert known["sms"].types == frozenset()
    assert known["sms"].namespaces == shipped().by_name["sms"].namespaces
    assert known["sms"].labels == shipped().by_name["sms"].labels
    assert known["kiosk"] == KIOSK


def test_what_is_shipped_names_what_there_is() -> None:
    channels = shipped().by_name.values()

    assert {name for channel in channels for name in channel.namespaces or ()} <= NAMESPACES.keys()
    assert {name for channel in channels for name in channel.types or ()} <= TYPES
    assert all(channel.labels.keys() == {"zh", "en"} for channel in channels)


@pytest.mark.parametrize("event_type", sorted(TYPES - EVERYWHERE))
def test_for_every_type_there_is_a_shipped_channel_that_says_it_reports_it(event_type: str) -> None:
    assert any(event_type in (channel.types or ()) for channel in shipped().by_name.values())
