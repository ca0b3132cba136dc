"""Asking about people."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from api import (
    intent_schemas,
    intent_shown,
    pages,
    profile_schemas,
    profile_shown,
    reach_schemas,
    reach_shown,
    schemas,
    segment_schemas,
    segments_shown,
    shown,
)
from api.access import Clear, Writer
from api.context import Here
from api.directives import LATER, Turn
from api.etag import Cached, digest
from api.pages import Paged
from api.reading import reading
from api.schemas import Page
from api.transactions import MOVED, Person, Snapshot, present_person
from core.directive import Kind, Wish, Words
from core.event import Word
from core.identifier import IdentifierId
from core.problems import OF_IDENTIFIERS, raises
from profiles import people, profile, reach, sources
from profiles.consent import MARKETING
from profiles.segments import store
from profiles.timeline import Filter
from stitcher import asking, splitting, timelines
from stitcher.splitting import Split
from stitcher.timelines import Place

LOOKUP_MAX = 500

router = APIRouter(prefix="/v1/people", tags=["people"])

Written = Annotated[str, StringConstraints(max_length=1_300)]
EventType = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)?$", max_length=64)]

_PLACE = TypeAdapter(Place)


class Questions(BaseModel):
    """Identifiers to look up, written `namespace[@scope]:value`, as they are now or were *as_of* a time."""

    model_config = ConfigDict(extra="forbid")

    identifiers: Annotated[list[Written], Field(min_length=1, max_length=LOOKUP_MAX)]
    as_of: AwareDatetime | None = None


class Ends(BaseModel):
    """Two identifiers of one person, written `namespace[@scope]:value`."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Written, Field(alias="from")]
    to: Written


class Merger(BaseModel):
    """That two identifiers, written `namespace[@scope]:value`, are one person's."""

    model_config = ConfigDict(extra="forbid")

    identifiers: Annotated[tuple[Written, ...], Field(min_length=2, max_length=2)]
    why: Words


class Splitting(BaseModel):
    """That two identifiers, written `namespace[@scope]:value`, are not one person's; without them, the two sides of his weakest
    point are not."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[Written | None, Field(alias="from")] = None
    to: Written | None = None
    why: Words

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.from_ is None) != (self.to is None):
            raise ValueError("name both identifiers, or none")
        return self


async def wanted(
    channel: Word | None = None,
    type_: Annotated[EventType | None, Query(alias="type")] = None,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="Not before this time.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Before this time.")] = None,
) -> Filter:
    """Return which lines of a timeline are asked for."""
    return Filter(channel, type_, since, until)


@router.post("/lookup")
@raises(*OF_IDENTIFIERS)
def lookup(questions: Questions, here: Here, connection: Snapshot) -> schemas.Lookup:
    """Say whose each identifier is. They stand in the body, because what stands in a URL ends up in logs."""
    asked, as_of = questions.identifiers, questions.as_of
    return shown.lookup(asked, asking.lookup(connection, asked, here.index, as_of, here.rules.reassignable))


@router.post("/merge", responses=LATER)
def merge(merger: Merger, turn: Turn) -> schemas.DirectiveOut | schemas.PreviewOut:
    """Decide that two identifiers are one person's, whatever else is known."""
    return turn.answer(Wish(Kind.MUST_LINK, merger.why, merger.identifiers))


@router.get(
    "/{person_id}",
    response_model=schemas.ProfileOut,
)
def show(
    person: Person, here: Here, connection: Snapshot, clear: Clear, cached: Cached
) -> schemas.ProfileOut | Response:
    """Return the profile of a person."""
    known = profile.of_person(connection, person)
    described, judged = here.describing.of(connection, known), here.scoring.of_person(connection, person)
    told = shown.profile(known, described, judged, clear=clear)
    return cached.answer(digest(told), lambda: told)


@router.get("/{person_id}/interests")
def show_interests(person: Person, here: Here, connection: Snapshot) -> profile_schemas.InterestsOut:
    """Say what a person is interested in: which topics he reads about, lately more than long ago, and where he did."""
    anchors = [member.id for member in people.of_person(connection, person)]
    describing = here.describing
    half_life_days = describing.rules.interests.half_life_days
    return profile_shown.interests(person, describing.interests(connection, anchors), half_life_days, describing.now)


@router.get("/{person_id}/sources")
def show_sources(person: Person, connection: Snapshot) -> profile_schemas.SourcesOut:
    """Return by which channels and campaigns a person came, each with its first and last time."""
    anchors = [member.id for member in people.of_person(connection, person)]
    return profile_shown.sources(person, sources.ends(connection, anchors), sources.of_person(connection, anchors))


@router.get("/{person_id}/reach")
def show_reach(person: Person, connection: Snapshot, clear: Clear, purpose: Word = MARKETING) -> reach_schemas.ReachOut:
    """Say by what ways a person may be reached for a purpose, following us or not, and why not by the others."""
    return reach_shown.reach(person, purpose, reach.of_person(connection, person, purpose), clear=clear)


@router.get("/{person_id}/consent")
def show_consent(person: Person, connection: Snapshot, clear: Clear) -> reach_schemas.LedgerOut:
    """Return what a person agreed to and refused, the newest first, with the event that says so."""
    return reach_shown.ledger(person, reach.ledgers(connection, [person])[person], clear=clear)


@router.get("/{person_id}/segments")
def show_segments(person: Person, connection: Snapshot) -> list[segment_schemas.PlaceOut]:
    """Return the segments, and the bands of layers and stages, that a person is in, by name."""
    return segments_shown.places(store.places(connection, [person]).get(person, {}), store.standing_sets(connection))


@router.get("/{person_id}/intent")
def intent(person: Person, here: Here, connection: Snapshot) -> intent_schemas.IntentOut:
    """Say how likely there is business with a person, and why: by each rule, with the events behind it."""
    scoring = here.scoring
    return intent_shown.intent(person, scoring.of_person(connection, person), scoring)


@router.get(
    "/{person_id}/timeline",
    response_model=Page[schemas.TimelineEntry],
    responses=pages.document("A page of the timeline"),
)
def timeline(
    here: Here,
    person: Person,
    connection: Snapshot,
    wanted: Annotated[Filter, Depends(wanted)],
    asked: Paged,
    clear: Clear,
) -> Page[schemas.TimelineEntry] | Response:
    """Return what happened to a person on all channels, the newest first."""
    after, reassignable = asked.after(_PLACE) or Place(), here.rules.reassignable
    page = timelines.timeline_of(connection, person, wanted, after, asked.limit, reassignable=reassignable)
    lines = [shown.line(line, clear=clear) for line in page.lines]
    return asked.answer_either(lines, page.next, shown.TIMELINE)


@router.get("/{person_id}/identity")
def identity(person: Person, connection: Snapshot, clear: Clear) -> schemas.IdentityOut:
    """Return a person as a graph: identifiers, links, why they were used or refused, and where he is held together."""
    version, _ = people.version(connection, person)
    return shown.identity(asking.identity(connection, person), version, clear=clear)


@router.get("/{person_id}/identity/why")
def why(
    person: Person,
    connection: Snapshot,
    clear: Clear,
    start: Annotated[UUID, Query(alias="from", description="The id of an identifier of this person.")],
    to: UUID,
) -> schemas.WhyOut:
    """Say why two identifiers, named by their ids, are one person."""
    members = people.of_person(connection, person)
    ends = IdentifierId(str(start)), IdentifierId(str(to))
    return shown.why(asking.why(connection, members, *ends), members, ends[0], clear=clear)


@router.post("/{person_id}/identity/why")
@raises(*OF_IDENTIFIERS)
def why_by_text(ends: Ends, person: Person, here: Here, connection: Snapshot, clear: Clear) -> schemas.WhyOut:
    """Say why two identifiers, written out in the body, are one person."""
    members = people.of_person(connection, person)
    start = asking.identifier_of(members, ends.from_, here.index, "/from")
    to = asking.identifier_of(members, ends.to, here.index, "/to")
    return shown.why(asking.why(connection, members, start, to), members, start, clear=clear)


@raises(MOVED, "not_found", "gone", "refused", "unavailable", "overloaded", "unstorable", *OF_IDENTIFIERS)
def wished(splitting_: Splitting, here: Here, _: Writer, person_id: UUID) -> tuple[Split, Wish]:
    """Return between which two a person is to be split, and the wish for it.

    Raises `Moved`, `NotFound` for an identifier that is not his, and `Refused` where there is nothing to propose.
    """
    with reading(here.engine) as connection:
        person = present_person(connection, person_id)
        if splitting_.from_ is None or splitting_.to is None:
            found = splitting.proposed(connection, person)
        else:
            found = splitting.between(connection, person, splitting_.from_, splitting_.to, here.index)
    return found, Wish(Kind.CANNOT_LINK, splitting_.why, (found.one.identifier.text, found.other.identifier.text))


@router.post("/{person_id}/split", responses=LATER)
def split(
    wished: Annotated[tuple[Split, Wish], Depends(wished)], turn: Turn
) -> schemas.DirectiveOut | schemas.SplitPreviewOut | schemas.PreviewOut:
    """Decide that two identifiers of a person never are one person's."""
    found, wish = wished
    return turn.answer(wish, lambda changed: shown.split(found, changed, clear=turn.clear))
