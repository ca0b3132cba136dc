"""Tags: which there are, and telling that a person bears one, or no longer.

A tag is put on somebody by an event like all others, through the door that all events come by; the profile has it once it is
stitched, and it goes with the identifier that it was said of through merges and splits.
"""

import hashlib
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from api import pages
from api.access import Writer
from api.context import Here
from api.directives import SendersKey
from api.pages import Paged
from api.paths import slashes
from api.reading import reading
from api.schemas import Page
from api.transactions import MOVED, Alone, present_person
from core.errors import Refused
from core.identifier import Identifier, uuid8
from core.keys import Key
from core.problems import raises
from profiles import people, tagged
from profiles.tags import TAG_LENGTH_MAX, TYPE, Kind

CHANNEL = "api"

router = APIRouter(tags=["tags"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=TAG_LENGTH_MAX)]
Sayable = Literal[Kind.STATED, Kind.MODEL, Kind.IMPORTED]

_PLACE = TypeAdapter(tuple[Kind, str])


class BorneOut(BaseModel):
    """A tag, and how many people bear it now."""

    kind: Kind
    name: str
    people: int


class Tagging(BaseModel):
    """A tag that a person bears: how sure a model is of it, and until when."""

    model_config = ConfigDict(extra="forbid")

    tag: Name
    kind: Sayable = Kind.STATED
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    expires_at: AwareDatetime | None = None


class ToldOut(BaseModel):
    """The event that says so: it is in the log, and is stitched soon."""

    event: str


@router.get("/v1/tags")
@raises("too_many")
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


@raises(MOVED, "not_found", "gone", "refused", "unavailable", "overloaded", "unstorable")
def bearer(here: Here, _: Writer, person_id: UUID) -> Identifier:
    """Return the identifier under which something is said of a person.

    Raises `NotFound`, `Moved`, and `Refused` where it is not a person but a device of several.
    """
    with reading(here.engine) as connection:
        canonical = people.of_person(connection, present_person(connection, person_id))[0]
    if not canonical.standing.is_somebodys:
        raise Refused("this is nobody's: it is contested")
    return canonical.identifier


Bearer = Annotated[Identifier, Depends(bearer)]


@raises("unavailable", "overloaded", "unstorable")
class Telling:
    """In whose name something is told of a person; with one key of the sender's it is the same event however often it is sent."""

    def __init__(self, here: Here, key: Writer, bearer: Bearer, senders_key: SendersKey = None) -> None:
        self._here = here
        self._key: Key = replace(key, namespaces=None)  # whom it is about is named by us
        self._bearer = bearer
        self._senders_key = senders_key

    def tell(self, properties: dict[str, Any]) -> ToldOut:
        """Bring into the log that the person is tagged so. Raises `InvalidEvent` and `Unavailable`."""
        of = self._bearer
        document = {
            "type": TYPE,
            "channel": CHANNEL,
            "occurred_at": self._here.clock().isoformat(),
            "identifiers": [{"namespace": of.namespace, "scope": of.scope, "value": of.value}],
            "properties": {**properties, "by": f"key:{self._key.id}"},
        }
        if self._senders_key is not None:
            said = f"{self._key.id}\0{self._senders_key}\0{properties}"
            document["id"] = uuid8(hashlib.sha256(said.encode()).digest())
        return ToldOut(event=self._here.tell(document, self._key).uid)


Teller = Annotated[Telling, Depends()]


@router.post("/v1/people/{person_id}/tags", status_code=202)
def tag(tagging: Tagging, teller: Teller) -> ToldOut:
    """Tell that a person bears a tag."""
    return teller.tell(tagging.model_dump(mode="json", exclude_none=True))


@router.delete("/v1/people/{person_id}/tags/{name}", status_code=202)
def untag(name: Name, teller: Teller, kind: Sayable = Kind.STATED) -> ToldOut:
    """Tell that a person bears a tag of this kind no longer."""
    return teller.tell({"tag": slashes(name), "kind": kind, "removed": True})
