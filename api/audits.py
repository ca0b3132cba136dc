"""Asking who looked at personal data in clear."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, JsonValue, TypeAdapter

from api import pages
from api.access import Auditor, look
from api.context import Here
from api.pages import Paged
from api.schemas import Page
from api.transactions import AuditSnapshot
from core import audit
from core.audit import Wanted
from core.problems import raises
from profiles import people

WORD_LENGTH_MAX = 256

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_PLACE = TypeAdapter(int)

Said = Annotated[str | None, Query(max_length=WORD_LENGTH_MAX, pattern="^[^\0]*$")]


class LookOut(BaseModel):
    """That the owner of *key* looked at *what*: a route, a command, or an export.

    *count*: of how many rows; `null`: one answer. *session*: of the console, where he asked by it. *person_id*: whom it was
    about, by the id that was asked for; `null`: several, or none.
    """

    at: AwareDatetime
    key: str
    session: str | None
    what: str
    person_id: str | None
    filters: dict[str, JsonValue]
    count: int | None


@raises("not_found", "gone")
def wanted(
    connection: AuditSnapshot,
    key: Said = None,
    what: Annotated[Said, Query(description="`GET /v1/people/{person_id}`, as `what` says it.")] = None,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="Not before this time.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Before this time.")] = None,
    person: Annotated[UUID | None, Query(description="At this person, under whatever id he bore then.")] = None,
) -> Wanted:
    """Return which looks are asked for."""
    return Wanted(key, what, since, until, people.every_id(connection, str(person)) if person else None)


async def written_down(request: Request, here: Here, key: Auditor) -> None:
    """Write down that somebody reads what is written."""
    await here.audit(look(request, here, key))


@router.get("", dependencies=[Depends(written_down)])
def listing(
    connection: AuditSnapshot, asked: Paged, wanted: Annotated[Wanted, Depends(wanted, scope="function")]
) -> Page[LookOut]:
    """Return who looked at whom, the latest first: this very look too."""
    found = audit.listing(connection, asked.after(_PLACE), asked.limit + 1, wanted)
    kept, following = pages.cut(found, asked.limit, lambda last: last[0])
    return asked.answer([_shown(look) for _, look in kept], following)


def _shown(look: audit.Look) -> LookOut:
    return LookOut(
        at=look.at,
        key=look.key,
        session=look.session,
        what=look.what,
        person_id=look.person,
        filters=dict(look.filters),
        count=look.count,
    )
