"""What is announced of consent: each line of the ledger as it is taken, and when it is taken back. Pure.

A merge, a split or a rebuild announces nothing here, though lines go with the people: it would be told again of what was said
once. Who moves rows by `person.merged`, or reads the ledger again where `profile.updated` says so, knows of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson

from core.event import encode
from core.identifier import BlindIndex, IdentifierId, PersonId
from core.log.port import CONSENT_CHANGED
from core.outbox import Announcement
from profiles import consent
from profiles.consent import ADDRESSES, TYPES, Consent
from profiles.summary import stamp
from profiles.touchpoint import Touchpoint


class Status(StrEnum):
    """What became of a line of the ledger."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the ledger, the *addresses* it was said of (none: all), what became of it, and by which event or directive."""

    line: Consent
    addresses: Sequence[IdentifierId]
    status: Status
    cause: str


def said(touchpoint: Touchpoint, index: BlindIndex, by: str | None = None, *, retracted: bool = False) -> Said | None:
    """Return what *touchpoint* says of consent, or that it does not any more; `None` where that is nothing.

    *By* is what brought that about, if not its event.
    """
    event = touchpoint.event
    if event.type not in TYPES or touchpoint.anchor is None:
        return None
    line = consent.line(touchpoint.uid, event.occurred_at, orjson.loads(encode(event)))
    namespace = ADDRESSES.get(line.channel)
    addresses = sorted(index(one) for one in line.named if one.namespace == namespace)
    status = Status.GIVEN if line.is_given else Status.WITHDRAWN
    return Said(line, addresses, Status.RETRACTED if retracted else status, by or event.id)


def announcement(person: PersonId, version: int, of: Said, now: datetime) -> Announcement:
    """Return the announcement of one line of the ledger of *person*, whose profile is in *version* by it."""
    return Announcement(
        topic=CONSENT_CHANGED,
        key=person,
        id=f"{person}:{version}:{of.line.uid}:{of.status}",
        type=CONSENT_CHANGED,
        time=now,
        value={
            "person_id": person,
            "version": version,
            "uid": of.line.uid,
            "status": of.status.value,
            "channel": of.line.channel,
            "purpose": of.line.purpose,
            "identifiers": list(of.addresses),
            "text_version": of.line.text_version,
            "source": of.line.source,
            "occurred_at": stamp(of.line.at),
            "cause": [of.cause],
            "as_of": stamp(now),
        },
    )
