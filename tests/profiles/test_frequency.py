"""Frequency as a function: what is counted, when the next message may go, and that it may go then."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidSetting
from core.event import EventUid
from core.identifier import parse
from profiles.consent import MARKETING, Address, Reason, Way
from profiles.frequency import (
    CAP_REACHED,
    NO_ADDRESS,
    QUIET_HOURS,
    Cap,
    Quiet,
    Rules,
    Sent,
    decide,
    message,
    read,
    shipped,
)

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)  # 12:00 in Shanghai
PHONE = parse("phone:+8613912345678")
OPEN = Way("sms", [Address(PHONE, Reason.CONSENTED, None)])
TWO_A_WEEK = Cap("sms", MARKETING, most=2, days=7)
NIGHT = Quiet("sms", MARKETING, time(22), time(8), "Asia/Shanghai")


def sent(*days_ago: float, purpose: str | None = MARKETING) -> list[Sent]:
    return [Sent(f"m{days}", NOON - timedelta(days=days), purpose) for days in days_ago]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.CONSENTED])
def test_who_may_not_be_reached_is_not_written_to_however_long_one_waits(reason: Reason) -> None:
    decision = decide(Way("sms", [Address(PHONE, reason, None)]), [], Rules(), MARKETING, NOON)

    assert (decision.is_allowed, decision.reason, decision.next_at) == (False, reason, None)


def test_who_has_no_address_is_not_written_to() -> None:
    assert decide(Way("sms", []), [], Rules(), MARKETING, NOON).reason == NO_ADDRESS


def test_a_full_cap_says_when_its_oldest_message_leaves_the_window() -> None:
    decision = decide(OPEN, sent(1, 3, 8), Rules(caps=(TWO_A_WEEK,)), MARKETING, NOON)

    assert (decision.is_allowed, decision.reason, decision.sent) == (False, CAP_REACHED, 2)
    assert decision.next_at == NOON + timedelta(days=4)


def test_what_is_told_twice_of_one_message_is_one() -> None:
    twice = [*sent(1), *(replace(each, at=each.at + timedelta(minutes=1)) for each in sent(1))]

    assert decide(OPEN, twice, Rules(caps=(TWO_A_WEEK,)), MARKETING, NOON).is_allowed


def test_messages_for_another_purpose_are_not_counted_and_those_for_none_are() -> None:
    rules = Rules(caps=(TWO_A_WEEK,))

    assert decide(OPEN, sent(1, 2, purpose="service"), rules, MARKETING, NOON).is_allowed
    assert not decide(OPEN, sent(1, 2, purpose=None), rules, MARKETING, NOON).is_allowed
    assert decide(OPEN, sent(1, 2), rules, "service", NOON).is_allowed


def test_of_several_caps_the_one_that_keeps_longest_counts() -> None:
    one_a_day = Cap("sms", MARKETING, most=1, days=1)

    decision = decide(OPEN, sent(0.5, 3), Rules(caps=(one_a_day, TWO_A_WEEK)), MARKETING, NOON)

    assert (decision.cap, decision.next_at) == (TWO_A_WEEK, NOON + timedelta(days=4))


@pytest.mark.parametrize(
    ("hour", "allowed_in"), [(12, 0), (21.99, 0), (22, 10), (23.5, 8.5), (0, 8), (7.5, 0.5), (8, 0)]
)
def test_at_night_it_waits_for_the_morning_of_the_zone(hour: float, allowed_in: float) -> None:
    now = NOON + timedelta(hours=hour - 12)

    decision = decide(OPEN, [], Rules(quiet=(NIGHT,)), MARKETING, now)

    assert decision.is_allowed == (allowed_in == 0)
    assert decision.next_at == now + timedelta(hours=allowed_in)
    assert decision.reason == (QUIET_HOURS if allowed_in else Reason.CONSENTED)


def test_quiet_hours_within_a_day_and_one_after_the_other() -> None:
    lunch = Quiet("sms", MARKETING, time(12), time(13), "Asia/Shanghai")
    nap = Quiet("sms", MARKETING, time(13), time(14, 30), "Asia/Shanghai")

    assert decide(OPEN, [], Rules(quiet=(lunch, nap)), MARKETING, NOON).next_at == NOON + timedelta(hours=2.5)
    assert decide(OPEN, [], Rules(quiet=(nap,)), MARKETING, NOON).is_allowed


caps = st.builds(Cap, st.just("sms"), st.just(MARKETING), st.integers(1, 4), st.sampled_from([0.5, 1, 7, 30]))


@given(st.lists(st.floats(0, 40), max_size=8), st.lists(caps, max_size=3), st.booleans(), st.floats(0, 24))
def test_when_it_is_said_to_be_allowed_it_is_and_not_before(
    days: list[float], held: list[Cap], has_night: bool, hour: float
) -> None:
    rules = Rules(tuple(held), (NIGHT,) if has_night else ())
    now, told = NOON + timedelta(hours=hour), sent(*days)

    decision = decide(OPEN, told, rules, MARKETING, now)

    assert decision.next_at is not None
    assert decide(OPEN, told, rules, MARKETING, decision.next_at).is_allowed
    if not decision.is_allowed:
        just_before = decision.next_at - timedelta(microseconds=1)
        assert not decide(OPEN, told, rules, MARKETING, just_before).is_allowed


@pytest.mark.parametrize(
    ("properties", "named"),
    [({"message_id": "m1"}, "shop m1"), ({"sending": "s1"}, "shop s1"), ({"message_id": 7}, "shop u"), ({}, "shop u")],
)
def test_a_message_is_known_by_what_its_sender_calls_it(properties: dict[str, Any], named: str) -> None:
    assert message(EventUid("u"), NOON, {"source": "shop", "properties": properties}).message == named


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ('[[caps]]\nchannel = "sms"\npurpose = "marketing"\nmost = 0\ndays = 1', "caps.0.most"),
        ('[[quiet]]\nchannel="sms"\npurpose="x"\nbegins="22:00"\nends="25:00"\nzone="Asia/Shanghai"', "quiet.0.ends"),
        ('[[quiet]]\nchannel="sms"\npurpose="x"\nbegins="22:00"\nends="08:00"\nzone="Mars"', "quiet.0.zone"),
        ("[[", "TOML"),
    ],
)
def test_rules_that_are_none_are_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named):
        read(written)


def test_the_rules_shipped_are_rules() -> None:
    assert shipped().horizon == timedelta(days=30)
