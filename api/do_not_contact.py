"""The list of what must never be addressed, whoever bears it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from sqlalchemy import Connection

from api import pages
from api.access import Blocker, blocker, protector
from api.context import Here
from api.pages import Paged
from api.schemas import Page
from api.transactions import snapshot_of, transaction_of
from core.identifier import IdentifierId
from core.problems import OF_IDENTIFIERS, raises
from profiles import do_not_contact
from profiles.do_not_contact import REASON_LENGTH_MAX, Blocked, Blocking

BLOCKED_MAX = 500

router = APIRouter(prefix="/v1/do-not-contact", tags=["do-not-contact"])

Asking = Annotated[Connection, Depends(snapshot_of(blocker), scope="function")]
Adding = Annotated[Connection, Depends(transaction_of(blocker), scope="function")]
Allowing = Annotated[Connection, Depends(transaction_of(protector), scope="function")]

_PLACE = TypeAdapter(tuple[AwareDatetime, Annotated[IdentifierId, pages.UUID_TEXT]])


class NotToContact(BaseModel):
    """Identifiers that are not to be addressed, written `namespace[@scope]:value`, and why."""

    model_config = ConfigDict(extra="forbid")

    identifiers: Annotated[
        list[Annotated[str, StringConstraints(max_length=1_300)]], Field(min_length=1, max_length=BLOCKED_MAX)
    ]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LENGTH_MAX)]


class BlockedOut(BaseModel):
    """An identifier on the list. It is kept by its *id* alone, so nobody sees more of it than is shown here."""

    id: str
    identifier: str = Field(description="`namespace[@scope]:value`, masked.")
    reason: str
    at: datetime
    by: str


class BlockedListOut(BaseModel):
    """What was put on the list, or stood there already, in the order asked."""

    data: list[BlockedOut]


@router.post("")
@raises("not_an_address", *OF_IDENTIFIERS)
def block(asked: NotToContact, here: Here, key: Blocker, connection: Adding) -> BlockedListOut:
    """Let nobody address these any more: no consent opens them, and none that is given later. What stands there already stays."""
    named = do_not_contact.read(asked.identifiers)
    of = Blocking(asked.reason, f"key:{key.id}", here.clock())
    return BlockedListOut(data=[_shown(each) for each in do_not_contact.block(connection, named, here.index, of)])


@router.get("")
def listing(connection: Asking, asked: Paged) -> Page[BlockedOut]:
    """Return what is not to be addressed, what was put there last first."""
    found = do_not_contact.listing(connection, asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: (last.at, last.id))
    return asked.answer([_shown(each) for each in kept], following)


@router.delete("/{identifier_id}", status_code=204)
@raises("not_found")
def allow(identifier_id: UUID, connection: Allowing) -> None:
    """Take an identifier, named by its id, off the list: his consents say again whether he may be addressed."""
    do_not_contact.allow(connection, IdentifierId(str(identifier_id)))


def _shown(of: Blocked) -> BlockedOut:
    return BlockedOut(id=of.id, identifier=of.masked, reason=of.reason, at=of.at, by=of.by)
