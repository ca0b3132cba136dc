"""Levels of the pool: how far somebody is ours, side by side, since people rightly disagree on who counts. Pure.

reached      an event was ever heard of him
reader       he read an article
identified   a strong identifier of his is known
contactable  he may be reached for marketing by some channel
follower     he follows an account
friend       an employee has him among his contacts in WeCom
member       a membership number of his is known
buyer        he paid for an order and did not get it all back
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.event import EventUid
from core.identifier import Identifier
from profiles.consent import Way
from profiles.intent import Signal
from profiles.payments import orders
from profiles.summary import Summary

MEMBERSHIP = "member_id"
FRIENDED, UNFRIENDED = "wecom.contact_added", "wecom.contact_removed"


class Name(StrEnum):
    """What the levels are called; see the module."""

    REACHED = "reached"
    READER = "reader"
    IDENTIFIED = "identified"
    CONTACTABLE = "contactable"
    FOLLOWER = "follower"
    FRIEND = "friend"
    MEMBER = "member"
    BUYER = "buyer"


@dataclass(frozen=True, slots=True, order=True)
class Level:
    """*Since* when somebody is at a level, *because* of what, and of which event (*uid*), where it is one."""

    since: datetime
    because: str
    uid: EventUid | None = None


@dataclass(frozen=True, slots=True)
class Grounds:
    """What levels are judged by: *strong* are a person's strong identifiers and since when each is known."""

    known: Summary
    strong: Collection[tuple[Identifier, datetime]]
    ways: Collection[Way]
    contacts: Collection[Signal]
    payments: Collection[Signal]
    first_read_at: datetime | None


def levels(of: Grounds) -> Mapping[Name, Level | None]:
    """Say since when and why the person *of* whom these are the grounds is at each level, by the earliest; `None` where not."""
    found: Mapping[Name, Iterable[Level]] = {
        Name.REACHED: _entry(of.known),
        Name.READER: [Level(of.first_read_at, "article.read")] if of.first_read_at else [],
        Name.IDENTIFIED: (Level(at, one.namespace) for one, at in of.strong),
        Name.CONTACTABLE: _consented(of.ways),
        Name.FOLLOWER: _following(of.known),
        Name.FRIEND: _friends(of.contacts),
        Name.MEMBER: (Level(at, one.namespace) for one, at in of.strong if one.namespace == MEMBERSHIP),
        Name.BUYER: _bought(of.payments),
    }
    return {
        name: min(reasons, key=lambda each: (each.since, each.because), default=None) for name, reasons in found.items()
    }


def _entry(known: Summary) -> Iterable[Level]:
    if known.entry is not None:
        at, uid, said = known.entry
        assert isinstance(said, dict)
        yield Level(datetime.fromisoformat(at), str(said["type"]), EventUid(uid))


def _consented(ways: Iterable[Way]) -> Iterable[Level]:
    for way in ways:
        for address in way.addresses:
            if address.is_open and address.because:
                yield Level(address.because.at, way.channel, address.because.uid)


def _following(known: Summary) -> Iterable[Level]:
    for name, (at, uid, is_so) in known.stated.items():
        if name.startswith("follows/") and is_so:
            yield Level(datetime.fromisoformat(at), name.removeprefix("follows/"), EventUid(uid))


def _friends(contacts: Iterable[Signal]) -> Iterable[Level]:
    """Return since when each employee has him, by what was told last of the two."""
    last: dict[tuple[str, object], Signal] = {}
    for each in sorted(contacts, key=lambda signal: (signal.occurred_at, signal.type == UNFRIENDED, signal.uid)):
        employee = (each.body.get("properties") or {}).get("employee")
        last[str(each.body["source"]), str(employee)] = each
    for each in last.values():
        if each.type == FRIENDED:
            yield Level(each.occurred_at, each.type, each.uid)


def _bought(payments: Collection[Signal]) -> Iterable[Level]:
    currencies = {each.body["order"]["currency"] for each in payments if each.body.get("order")}
    for currency in currencies:
        for at, _ in orders(payments, currency):
            yield Level(at, "order.paid")
