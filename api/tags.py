"""Asking which tags there are."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, TypeAdapter

from api import pages
from api.context import Alone, Here
from api.pages import Paged
from api.schemas import Page
from profiles import tagged
from profiles.tags import Kind

router = APIRouter(prefix="/v1/tags", tags=["tags"])

_PLACE = TypeAdapter(tuple[Kind, str])


class BorneOut(BaseModel):
    """A tag, and how many people bear it now."""

    kind: Kind
    name: str
    people: int


@router.get("")
def listing(
    here: Here,
    connection: Alone,
    asked: Paged,
    kind: Annotated[Kind | None, Query(description="Of this kind only.")] = None,
) -> Page[BorneOut]:
    """Return all tags that anybody bears, by kind and name, with the number of people. What is by rule are segments."""
    after = asked.after(_PLACE)
    found = [
        each
        for each in tagged.counts(connection, kind, here.clock())
        if after is None or (each.kind, each.name) > after
    ]
    kept, following = pages.cut(found, asked.limit, lambda last: (last.kind, last.name))
    return asked.answer([BorneOut(kind=each.kind, name=each.name, people=each.people) for each in kept], following)
