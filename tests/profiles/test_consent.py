"""Consent as a function: of what it is said, what counts of several, and by what ways somebody may be reached."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.event import EventUid
from core.identifier import Identifier, parse
from profiles.consent import ADDRESSES, MARKETING, Consent, Reason, line, ways

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ONE, OTHER = parse("phone:+8613912345678"), parse("phone:+8613912345679")
MAIL, OPENID, USER = parse("email:a@example.com"), parse("wechat_openid@wx1:oA"), parse("user_id:u")
HELD = [ONE, OTHER, MAIL, OPENID, USER]


def said(
    given: bool, *named: Identifier, at: float = 0, channel: str = "sms", purpose: str | None = MARKETING
) -> Consent:
    return Consent(EventUid(f"u{at}"), NOW + timedelta(minutes=at), channel, purpose, given, frozenset(named), "shop")


def reasons(*ledger: Consent, following: bool = True) -> dict[str, Reason]:
    found = ways(HELD, {"wx1": following}, ledger, blocked=())
    return {address.identifier.text: address.reason for way in found for address in way.addresses}


def test_without_consent_nobody_is_reached() -> None:
    assert set(reasons().values()) == {Reason.NO_CONSENT}


def test_what_names_no_address_is_said_of_all_of_them() -> None:
    found = reasons(said(True, USER))

    assert (found[ONE.text], found[OTHER.text], found[MAIL.text]) == (
        Reason.CONSENTED,
        Reason.CONSENTED,
        Reason.NO_CONSENT,
    )


def test_what_names_an_address_is_said_of_it_alone() -> None:
    found = reasons(said(True, USER), said(False, ONE, at=1))
    both = reasons(said(True, USER), said(False, ONE, at=1), said(True, OTHER, at=2))
    again = reasons(said(True, USER), said(False, ONE, at=1), said(True, ONE, USER, at=2))

    assert (found[ONE.text], found[OTHER.text]) == (Reason.OPTED_OUT, Reason.CONSENTED)
    assert both == found
    assert again[ONE.text] is Reason.CONSENTED


def test_of_two_at_once_the_refusal_counts() -> None:
    assert reasons(said(True, ONE), said(False, ONE))[ONE.text] is Reason.OPTED_OUT


def test_a_purpose_is_one_of_many() -> None:
    ledger = [
        said(True, ONE),
        said(False, ONE, at=1, purpose="service"),
        said(True, MAIL, channel="mail", purpose=None),
    ]

    assert reasons(*ledger)[ONE.text] is Reason.CONSENTED
    assert [way.is_open for way in ways(HELD, {}, ledger, "service", blocked=())] == [True, False, False]


def test_an_official_account_reaches_its_followers_only() -> None:
    consented = said(True, OPENID, channel="official_account")

    assert reasons(consented)[OPENID.text] is Reason.CONSENTED
    assert reasons(consented, following=False)[OPENID.text] is Reason.NOT_FOLLOWING


@pytest.mark.parametrize(
    ("event", "channel", "purpose", "given"),
    [
        ({"type": "consent.given", "properties": {"channel": "mail", "purpose": "service"}}, "mail", "service", True),
        ({"type": "consent.withdrawn", "properties": {"channel": ["mail"]}}, "sms", None, False),
        ({"type": "consent.withdrawn"}, "sms", None, False),
        ({"type": "sms.opted_out", "properties": {"channel": "mail", "purpose": "x"}}, "sms", MARKETING, False),
    ],
)
def test_an_event_is_a_line_of_the_ledger(
    event: dict[str, Any], channel: str, purpose: str | None, given: bool
) -> None:
    recipient = {"namespace": "email", "value": "b@example.com", "role": "recipient"}
    subject = {"namespace": "phone", "value": "+8613912345678", "role": "subject"}
    body = {"channel": "sms", "source": "shop", "identifiers": [subject, recipient], **event}

    told = line(EventUid("u"), NOW, body)

    assert (told.channel, told.purpose, told.is_given, told.named) == (channel, purpose, given, frozenset({ONE}))


lines = st.builds(
    said,
    st.booleans(),
    st.sampled_from(HELD),
    st.sampled_from(HELD),
    at=st.integers(0, 5),
    channel=st.sampled_from(sorted(ADDRESSES)),
    purpose=st.sampled_from([MARKETING, "service", None]),
)


@given(st.lists(lines, max_size=8), st.randoms())
def test_the_order_in_which_one_hears_of_it_does_not_matter(ledger: list[Consent], random: Any) -> None:
    shuffled = list(ledger)
    random.shuffle(shuffled)

    assert reasons(*shuffled) == reasons(*ledger)


@given(st.lists(lines, max_size=8), st.sampled_from(HELD[:4]))
def test_who_refuses_last_is_left_alone(ledger: list[Consent], address: Identifier) -> None:
    channel = next(name for name, namespace in ADDRESSES.items() if namespace == address.namespace)

    found = reasons(*ledger, said(False, address, at=6, channel=channel))

    assert found[address.text] is Reason.OPTED_OUT


@given(st.lists(lines, max_size=8))
def test_nobody_is_reached_on_a_channel_on_which_nothing_was_agreed_to(ledger: list[Consent]) -> None:
    for way in ways(HELD, {"wx1": True}, [each for each in ledger if not each.is_given], blocked=()):
        assert not way.is_open
