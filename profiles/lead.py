"""A lead: business that somebody should follow up. What may become of it, and what that says of when. Pure.

A lead is new until it has an owner; from then on it may become whatever the owner says, until it is won or lost, which ends it.
The time of response is from when it was opened until somebody was first in touch.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import NewType

from core.errors import InvalidEvent, Refused
from core.identifier import PersonId
from profiles.companies import CompanyId

LeadId = NewType("LeadId", str)

BY_INTENT = "intent"  # opened it: a score that rose above its threshold


class Status(StrEnum):
    """How far a lead has come."""

    NEW = "new"
    ASSIGNED = "assigned"
    CONTACTED = "contacted"
    QUALIFIED = "qualified"
    WON = "won"
    LOST = "lost"

    @property
    def is_closed(self) -> bool:
        """Whether nothing is to be done any more."""
        return self in (Status.WON, Status.LOST)

    @property
    def is_response(self) -> bool:
        """Whether somebody has been in touch."""
        return self in (Status.CONTACTED, Status.QUALIFIED, Status.WON)


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead about a person (by his present id) or a company, at *version*.

    *also* are younger leads about the same person that were opened before it was known that he is one: this one stands for
    them.
    """

    id: LeadId
    person: PersonId | None
    company: CompanyId | None
    status: Status
    owner: str | None
    note: str | None
    opened_at: datetime
    opened_by: str
    first_response_at: datetime | None
    closed_at: datetime | None
    version: int
    also: Sequence[LeadId] = ()

    @property
    def response(self) -> timedelta | None:
        """How long it took until somebody was in touch; `None`: nobody was."""
        return self.first_response_at - self.opened_at if self.first_response_at else None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a lead at *version*: the *fields* that were changed, with what they are since."""

    version: int
    at: datetime
    by: str
    fields: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Responses:
    """How fast an *owner* (`None`: all together) was in touch about leads that were *opened*: *answered* are those in which he
    was, *waiting* those that are open without; *median* and *slow* (of ten nine were faster) are of the former."""

    owner: str | None
    opened: int
    answered: int
    waiting: int
    median: timedelta | None
    slow: timedelta | None


def responses(leads: Collection[Lead]) -> tuple[Responses, Sequence[Responses]]:
    """Return how fast somebody was in touch about *leads*: all together, and by owner, who has most of them first."""
    by_owner: dict[str, list[Lead]] = defaultdict(list)
    for lead in leads:
        if lead.owner:
            by_owner[lead.owner].append(lead)
    ranked = sorted(by_owner, key=lambda owner: (-len(by_owner[owner]), owner))
    return _responses(None, leads), [_responses(owner, by_owner[owner]) for owner in ranked]


def _responses(owner: str | None, leads: Collection[Lead]) -> Responses:
    took = sorted(lead.response for lead in leads if lead.response is not None)
    return Responses(
        owner,
        opened=len(leads),
        answered=len(took),
        waiting=sum(lead.response is None and not lead.status.is_closed for lead in leads),
        median=_quantile(took, 0.5),
        slow=_quantile(took, 0.9),
    )


def _quantile(took: Sequence[timedelta], share: float) -> timedelta | None:
    """Return the least of *took* (sorted) within which at least *share* of them lie."""
    return took[max(ceil(share * len(took)) - 1, 0)] if took else None


def changed(lead: Lead, fields: Mapping[str, str | None], now: datetime) -> Lead:
    """Return *lead* with *fields* (status, owner, note) changed.

    Raises `Refused` where it is closed, but for its note, and `InvalidEvent` for a status that fits no owner.
    """
    if lead.status.is_closed and fields.keys() - {"note"}:
        raise Refused(f"the lead is {lead.status}: open another one")
    owner = fields.get("owner", lead.owner)
    status = _status(lead, fields, owner)
    return replace(
        lead,
        status=status,
        owner=owner,
        note=fields.get("note", lead.note),
        first_response_at=lead.first_response_at or (now if status.is_response else None),
        closed_at=lead.closed_at or (now if status.is_closed else None),
        version=lead.version + 1,
    )


def _status(lead: Lead, fields: Mapping[str, str | None], owner: str | None) -> Status:
    said = fields.get("status")
    if said is None:
        idle = {Status.NEW: Status.ASSIGNED} if owner else {Status.ASSIGNED: Status.NEW}
        return idle.get(lead.status, lead.status)
    status = Status(said)
    if status is Status.NEW and owner:
        raise InvalidEvent("has_an_owner", "a lead that has an owner is not new", "/status")
    if status is Status.ASSIGNED and not owner:
        raise InvalidEvent("no_owner", "a lead is assigned to somebody", "/owner")
    return status
