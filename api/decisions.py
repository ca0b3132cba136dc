"""Asking before something is done: may this person be sent a message?"""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from api import reach_schemas, reach_shown
from api.context import Here
from api.transactions import Snapshot
from core.event import Word
from core.identifier import PersonId, split
from core.problems import OF_IDENTIFIERS, raises
from profiles import do_not_contact, people, reach
from profiles.consent import ADDRESSES, MARKETING, Reason
from profiles.frequency import NO_ADDRESS, Decision
from stitcher import asking

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])


class Sending(BaseModel):
    """A message that is about to be sent to a person, named by his id or by an identifier (`namespace[@scope]:value`)."""

    model_config = ConfigDict(extra="forbid")

    person_id: UUID | None = None
    identifier: Annotated[str, StringConstraints(max_length=1_300)] | None = None
    channel: Word
    purpose: Word = MARKETING

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if (self.person_id is None) == (self.identifier is None):
            raise ValueError("name a person_id or an identifier")
        return self


@router.post("/can-send")
@raises("not_found", "gone", *OF_IDENTIFIERS)
def can_send(sending: Sending, here: Here, connection: Snapshot) -> reach_schemas.CanSendOut:
    """Say whether it may be sent now, why not, and when next. It reserves nothing: tell us once it is sent.

    Nobody in particular, a contested device say, has no address. Answers 404 for a channel on which no messages are sent.
    """
    if _is_blocked(sending, here, connection):
        blocked = Decision(False, Reason.DO_NOT_CONTACT, None)
        return reach_shown.can_send(sending.channel, sending.purpose, blocked)
    person = _person(sending, here, connection)
    if person is None:
        return reach_shown.can_send(sending.channel, sending.purpose, Decision(False, NO_ADDRESS, None))
    rules, now = here.frequency, here.clock()
    decision = reach.may_send(connection, person, sending.channel, sending.purpose, rules, now)
    return reach_shown.can_send(sending.channel, sending.purpose, decision)


def _is_blocked(sending: Sending, here: Here, connection: Snapshot) -> bool:
    """Whether the address itself that the message is to go to is on the list of those not to be contacted."""
    written = sending.identifier
    if written is None or split(written)[0] != ADDRESSES.get(sending.channel):
        return False
    named = asking.id_of(written, here.index, "/identifier")
    return named is not None and named in do_not_contact.of_identifiers(connection, [named])


def _person(sending: Sending, here: Here, connection: Snapshot) -> PersonId | None:
    if sending.person_id is not None:
        return people.survivor(connection, str(sending.person_id))
    (owner,) = asking.lookup(connection, [str(sending.identifier)], here.index)
    return owner.person
