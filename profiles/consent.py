"""Consent: what somebody has agreed to or refused, as events tell it, and by what ways he may therefore be reached. Pure.

The ledger is the events themselves: nothing is summed up, so a merge, a split and a retraction leave nothing behind. What names
an address of a channel (a phone, for texts) is said of that address alone, and what names none is said of all that the person
has. The latest counts; of two at once the refusal does. Without consent nobody is reached, and what stands on the list of those
who are not to be contacted is not addressed, whatever was agreed to.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from core.event import EventUid
from core.identifier import Identifier
from profiles.summary import consented_on

MARKETING = "marketing"
TYPES = ("consent.given", "consent.withdrawn", "mail.complained", "mail.unsubscribed", "sms.opted_out")

# Under which identifier a channel finds a person. An official account moreover reaches only those who follow it.
ADDRESSES = {"sms": "phone", "mail": "email", "official_account": "wechat_openid"}


class Reason(StrEnum):
    """Why somebody may, or may not, be reached at an address."""

    CONSENTED = "consented"
    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    NOT_FOLLOWING = "not_following"
    DO_NOT_CONTACT = "do_not_contact"


@dataclass(frozen=True, slots=True)
class Consent:
    """One line of the ledger: at *at*, for *purpose* (`None`: any) on *channel*, consent was *given* or withdrawn.

    *named* are the identifiers that it was said of, *evidence* and *text_version* what the event says of how it was asked for.
    """

    uid: EventUid
    at: datetime
    channel: str
    purpose: str | None
    is_given: bool
    named: frozenset[Identifier]
    source: str
    evidence: JsonValue = None
    text_version: str | None = None

    def concerns(self, address: Identifier, channel: str, purpose: str) -> bool:
        """Whether it says anything of *address* on *channel* for *purpose*."""
        if self.channel != channel or self.purpose not in (None, purpose):
            return False
        addresses = {one for one in self.named if one.namespace == ADDRESSES[channel]}
        return not addresses or address in addresses


@dataclass(frozen=True, slots=True)
class Address:
    """An identifier at which a channel finds a person, why he may be reached there or not, and *because* of which line."""

    identifier: Identifier
    reason: Reason
    because: Consent | None

    @property
    def is_open(self) -> bool:
        """Whether he may be reached there."""
        return self.reason is Reason.CONSENTED


@dataclass(frozen=True, slots=True)
class Way:
    """A channel, and the addresses that it has of a person: without any it cannot reach him."""

    channel: str
    addresses: Sequence[Address]

    @property
    def is_open(self) -> bool:
        """Whether he may be reached by it."""
        return any(address.is_open for address in self.addresses)


def line(uid: EventUid, at: datetime, body: Mapping[str, Any]) -> Consent:
    """Return the line that an event of one of `TYPES` is; *body* is the event as it stands in the log."""
    is_stated = str(body["type"]).startswith("consent.")
    properties = body.get("properties") or {}
    return Consent(
        uid=uid,
        at=at,
        channel=consented_on(body["channel"], properties) if is_stated else body["channel"],
        purpose=_text(properties, "purpose") if is_stated else MARKETING,
        is_given=body["type"] == "consent.given",
        named=frozenset(_subjects(body)),
        source=str(body["source"]),
        evidence=properties.get("evidence", properties.get("reason")),
        text_version=_text(properties, "version"),
    )


def ways(
    identifiers: Iterable[Identifier],
    following: Mapping[str, bool],
    ledger: Collection[Consent],
    purpose: str = MARKETING,
    *,
    blocked: Collection[Identifier],
) -> Sequence[Way]:
    """Return by what ways the person of *identifiers* may be reached for *purpose*, and why not by the others.

    *following* says which accounts he is known to follow, *blocked* what must not be addressed: who asks has
    to know (`profiles.do_not_contact`).
    """
    held = list(identifiers)
    return [
        Way(
            channel,
            [_address(one, channel, following, ledger, purpose, blocked) for one in held if one.namespace == namespace],
        )
        for channel, namespace in sorted(ADDRESSES.items())
    ]


def _address(
    identifier: Identifier,
    channel: str,
    following: Mapping[str, bool],
    ledger: Iterable[Consent],
    purpose: str,
    blocked: Collection[Identifier],
) -> Address:
    told = [each for each in ledger if each.concerns(identifier, channel, purpose)]
    last = max(told, key=lambda each: (each.at, not each.is_given, each.uid), default=None)
    if identifier in blocked:
        return Address(identifier, Reason.DO_NOT_CONTACT, last)
    if channel == "official_account" and not following.get(identifier.scope):
        return Address(identifier, Reason.NOT_FOLLOWING, last)
    if last is None:
        return Address(identifier, Reason.NO_CONSENT, None)
    return Address(identifier, Reason.CONSENTED if last.is_given else Reason.OPTED_OUT, last)


def _subjects(body: Mapping[str, Any]) -> Iterable[Identifier]:
    for one in body.get("identifiers") or ():
        if one["role"] == "subject":
            yield Identifier(one["namespace"], one.get("scope", ""), one["value"])


def _text(properties: Mapping[str, Any], name: str) -> str | None:
    value = properties.get(name)
    return value if isinstance(value, str) and value else None
