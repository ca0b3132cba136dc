"""The shapes of answers about by what ways somebody may be reached, and whether a message may be sent."""

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from api.schemas import PersonId


class ConsentOut(BaseModel):
    """One line of the ledger: what was agreed to or refused, of which identifiers, and how that is known."""

    uid: str
    at: datetime
    channel: str
    purpose: str | None = Field(description="null: any purpose.")
    given: bool
    named: list[str]
    source: str
    evidence: JsonValue
    text_version: str | None


class LedgerOut(BaseModel):
    """What a person agreed to and refused, the newest first."""

    person_id: PersonId
    data: list[ConsentOut]


class AddressOut(BaseModel):
    """An identifier at which a channel finds a person; *reason* says why he may be reached there, or why not."""

    identifier: str
    reachable: bool
    reason: str = Field(examples=["consented", "no_consent", "opted_out", "not_following", "do_not_contact"])
    because: ConsentOut | None = Field(description="The line of the ledger that decides.")


class WayOut(BaseModel):
    """A channel: without addresses it cannot reach him."""

    channel: str
    reachable: bool
    reason: str = Field(description="That of an address, the best; `no_address` without any.")
    addresses: list[AddressOut]


class ReachOut(BaseModel):
    """By what ways a person may be reached for a purpose, and why not by the others."""

    person_id: PersonId
    purpose: str
    ways: list[WayOut]


class CapOut(BaseModel):
    """A cap that was reached: at most so many messages within so many days, of which so many were *sent*."""

    most: int
    days: float
    sent: int


class CanSendOut(BaseModel):
    """Whether a message may be sent, why not, and when next (`null`: not by waiting)."""

    allowed: bool
    reason: str = Field(
        examples=["consented", "no_consent", "opted_out", "do_not_contact", "no_address", "cap_reached", "quiet_hours"]
    )
    next_allowed_at: datetime | None
    channel: str
    purpose: str
    cap: CapOut | None
