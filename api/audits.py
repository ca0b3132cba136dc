"""Asking who looked at personal data in clear."""

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, JsonValue, TypeAdapter

from api import pages
from api.pages import Paged
from api.schemas import Page
from api.transactions import AuditSnapshot
from core import audit

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_PLACE = TypeAdapter(int)


class LookOut(BaseModel):
    """That the owner of *key* looked at *what*: a route, or an export. *count*: of how many rows; `null`: one answer."""

    at: AwareDatetime
    key: str
    what: str
    filters: dict[str, JsonValue]
    count: int | None


@router.get("")
def listing(connection: AuditSnapshot, asked: Paged) -> Page[LookOut]:
    """Return who looked at whom, the latest first."""
    found = audit.listing(connection, asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: last[0])
    return asked.answer([_shown(look) for _, look in kept], following)


def _shown(look: audit.Look) -> LookOut:
    return LookOut(at=look.at, key=look.key, what=look.what, filters=dict(look.filters), count=look.count)
