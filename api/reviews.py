"""What people should look at: what the rules would not decide for them."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, TypeAdapter

from api import pages, schemas, shown
from api.access import Clear
from api.pages import UUID_TEXT, Paged
from api.schemas import Page
from api.transactions import Snapshot
from core.identifier import IdentifierId
from stitcher import reviewing
from stitcher.reviewing import Place

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

_Id = Annotated[IdentifierId, UUID_TEXT]
_PLACE: TypeAdapter[Place] = TypeAdapter(tuple[AwareDatetime, _Id, _Id | None])


@router.get("")
def listing(connection: Snapshot, asked: Paged, clear: Clear) -> Page[schemas.ReviewOut]:
    """Return refused links that may be right, and people who grew suspiciously fast, the latest first.

    A directive about the two ends takes a link off the list.
    """
    found = reviewing.waiting(connection, asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: last.place)
    return asked.answer([shown.review(each, clear=clear) for each in kept], following)
