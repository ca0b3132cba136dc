"""Levels as a function: at which somebody is, since when and why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.event import EventUid
from core.identifier import Identifier
from profiles.consent import Address, Consent, Reason, Way
from profiles.intent import Signal
from profiles.levels import Grounds, Level, Name, levels
from profiles.summary import Summary
from tests.profiles.signals import NOW, signal

NOTHING = Grounds(Summary(), (), (), (), (), None)
AT = NOW - timedelta(days=1)


def at(of: Grounds) -> set[Name]:
    return {name for name, level in levels(of).items() if level}


def contact(kind: str, days: float, employee: str = "zhang") -> Signal:
    return signal(f"wecom.contact_{kind}", days, f"{kind} {days}", properties={"employee": employee})


def paid(order: str, amount: int, days: float = 0, type_: str = "order.paid") -> Signal:
    return signal(type_, days, f"{order}{type_}", order={"id": order, "amount": amount, "currency": "CNY"})


def test_of_whom_nothing_is_known_is_at_no_level() -> None:
    assert at(NOTHING) == set()
    assert list(levels(NOTHING)) == list(Name)


def test_whom_any_event_names_is_reached_since_his_first() -> None:
    known = Summary(entry=(AT.isoformat(), "u1", {"type": "sms.delivered"}))

    assert levels(replace(NOTHING, known=known))[Name.REACHED] == Level(AT, "sms.delivered", EventUid("u1"))


def test_a_strong_identifier_identifies_and_a_membership_number_makes_a_member() -> None:
    strong = [(Identifier("phone", "", "+86"), AT), (Identifier("member_id", "", "m1"), NOW)]

    found = levels(replace(NOTHING, strong=strong))

    assert (found[Name.IDENTIFIED], found[Name.MEMBER]) == (Level(AT, "phone"), Level(NOW, "member_id"))


def test_who_may_be_reached_is_contactable_by_the_line_that_says_so() -> None:
    phone = Identifier("phone", "", "+86")
    line = Consent(EventUid("c1"), AT, "sms", None, True, frozenset({phone}), "shop")
    way = Way("sms", [Address(phone, Reason.CONSENTED, line)])
    closed = Way("sms", [Address(phone, Reason.DO_NOT_CONTACT, line)])

    assert levels(replace(NOTHING, ways=[way]))[Name.CONTACTABLE] == Level(AT, "sms", EventUid("c1"))
    assert Name.CONTACTABLE not in at(replace(NOTHING, ways=[closed]))


def test_who_left_is_no_follower() -> None:
    def following(is_so: bool) -> Grounds:
        stated: dict[str, Any] = {"follows/wx": (AT.isoformat(), "f1", is_so)}
        return replace(NOTHING, known=Summary(stated=stated))

    assert levels(following(True))[Name.FOLLOWER] == Level(AT, "wx", EventUid("f1"))
    assert at(following(False)) == set()


def test_a_friend_is_one_as_long_as_any_employee_has_him() -> None:
    both = [contact("added", 9), contact("added", 5, "li"), contact("removed", 3)]

    found = levels(replace(NOTHING, contacts=both))[Name.FRIEND]

    assert found is not None
    assert found.since == NOW - timedelta(days=5)
    assert at(replace(NOTHING, contacts=[contact("added", 9), contact("removed", 3)])) == set()


def test_who_got_all_of_it_back_is_no_buyer() -> None:
    back = paid("o1", 100, 1, "order.refunded")

    assert at(replace(NOTHING, payments=[paid("o1", 100, 2), back])) == set()
    assert levels(replace(NOTHING, payments=[paid("o1", 100, 2), back, paid("o2", 5)]))[Name.BUYER] == Level(
        NOW, "order.paid"
    )
