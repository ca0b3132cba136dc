"""Segments: defining them, and asking who is in them and why."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter
from sqlalchemy import Connection

from api import pages, segment_schemas, segments_shown
from api.access import Clear, Definer
from api.context import Here
from api.etag import Cached, Changing
from api.idempotency import Once
from api.pages import UUID_TEXT, Paged
from api.schemas import Page
from api.transactions import Alone, Defining, Snapshot
from core.errors import NotFound
from core.event import Word
from core.identifier import PersonId
from core.problems import OF_CONDITIONS, raises
from profiles import people, profile
from profiles.segments import defining, everybody, facts, judging, measuring, rulesets, store
from profiles.segments.conditions import EVERYBODY
from profiles.segments.judging import Verdict
from profiles.segments.rulesets import MEMBERS, Kind
from profiles.segments.store import Stored

SOME_MAX = 20

SEGMENTS = (Kind.SEGMENT, Kind.ALERT)

router = APIRouter(prefix="/v1/segments", tags=["segments"], route_class=Once)

Name = Annotated[Word, Path(description="The name of a segment.")]
Whom = Annotated[UUID, Query(description="The id of a person.")]
PLACE = TypeAdapter(Annotated[str, UUID_TEXT])


@router.get("")
def listing(connection: Snapshot) -> list[segment_schemas.SegmentOut]:
    """Return all segments by name, those of people whose intent is high among them."""
    known = {name: each for name, each in store.all_sets(connection).items() if is_one(each, SEGMENTS)}
    counts = store.counts(connection, known)
    return [segments_shown.segment(each, counts[name]) for name, each in known.items()]


@router.post("", status_code=201)
@raises("refused", *OF_CONDITIONS)
def define(
    asked: segment_schemas.Segment, here: Here, connection: Defining, key: Definer
) -> segment_schemas.SegmentOut:
    """Define a segment. Everybody is looked at soon, and from then on whoever changes."""
    rules = rulesets.segment(asked.name, asked.when, asked.labels)
    defining.add(connection, rules, f"key:{key.id}", here.clock())
    return _shown(connection, asked.name)


@router.post("/preview")
@raises(*OF_CONDITIONS)
def preview(asked: segment_schemas.Question, here: Here, connection: Alone) -> segment_schemas.PreviewOut:
    """Say of how many people a condition holds now, and of whom for example; nothing is saved."""
    now = here.clock()
    condition = rulesets.expanded(asked.when, store.standing_sets(connection))
    by = measuring.measure(connection, [condition], here.judged_by, now)
    return segment_schemas.PreviewOut(
        people=everybody.count(connection, condition, by),
        of_people=everybody.count(connection, EVERYBODY, by),
        as_of=now,
        some=[*everybody.some(connection, condition, by, SOME_MAX)],
    )


@router.get("/{name}", response_model=segment_schemas.SegmentOut)
@raises("not_found")
def show(name: Name, connection: Snapshot, cached: Cached) -> segment_schemas.SegmentOut | Response:
    """Return one segment."""
    out = _shown(connection, name)
    return cached.answer_at(out.version, out)


@router.put("/{name}")
@raises("not_found", "refused", *OF_CONDITIONS)
def change(
    name: Name, asked: segment_schemas.Definition, here: Here, connection: Defining, key: Definer, changing: Changing
) -> segment_schemas.SegmentOut:
    """Define a segment anew. Who stands in it is looked at soon; until then it is as it was."""
    changing.check(store.one(connection, name, [Kind.SEGMENT]).version)
    rules = rulesets.segment(name, asked.when, asked.labels)
    defining.change(connection, rules, asked.version, f"key:{key.id}", here.clock())
    out = _shown(connection, name)
    return changing.answer_at(out.version, out)


@router.delete("/{name}", status_code=204)
@raises("not_found", "refused")
def remove(name: Name, here: Here, connection: Defining, key: Definer, changing: Changing) -> None:
    """Remove a segment: everybody leaves it. Refused (409) while another refers to it."""
    changing.check(store.one(connection, name, [Kind.SEGMENT]).version)
    defining.remove(connection, name, [Kind.SEGMENT], f"key:{key.id}", here.clock())


@router.get(
    "/{name}/people",
    response_model=Page[segment_schemas.MemberOut],
    responses=pages.document("Who is in a segment, by id."),
)
@raises("not_found")
def members(name: Name, connection: Snapshot, asked: Paged, clear: Clear) -> Page[segment_schemas.MemberOut] | Response:
    """Return the people in a segment, by id."""
    store.one(connection, name, SEGMENTS)
    return paged(connection, name, None, asked, clear=clear)


@router.get("/{name}/explain")
@raises("not_found", "gone")
def explain(name: Name, person: Whom, here: Here, connection: Snapshot, clear: Clear) -> segment_schemas.ExplanationOut:
    """Say why somebody is in a segment, or is not, as of now."""
    rules = store.one(connection, name, SEGMENTS)
    present, (verdict,), now = verdicts(connection, rules, person, here)
    return segments_shown.explanation(present, verdict, now, clear=clear)


@router.get("/{name}/overlap")
@raises("not_found")
def overlap(
    name: Name,
    connection: Snapshot,
    other: Annotated[Word, Query(alias="with", description="The name of another segment.")],
) -> segment_schemas.OverlapOut:
    """Say how many people are in two segments at once."""
    for each in (name, other):
        store.one(connection, each, SEGMENTS)
    counts = store.counts(connection, [name, other])
    one, two = counts[name].get(MEMBERS, 0), counts[other].get(MEMBERS, 0)
    both = store.overlap(connection, name, other)
    share = both / (one + two - both) if one + two else None
    return segment_schemas.OverlapOut(people=one, other_people=two, both=both, share=share)


def is_one(of: Stored, kinds: tuple[Kind, ...]) -> bool:
    """Whether *of* is of one of *kinds*, and is to stay."""
    return of.rules.kind in kinds and not of.is_removed


def paged(
    connection: Connection, name: str, band: str | None, asked: pages.Asked, *, clear: bool
) -> Page[segment_schemas.MemberOut] | Response:
    """Return a page of those who stand in the rule set called *name* (in *band*; `None`: in any)."""
    after = asked.after(PLACE)
    found = store.members(connection, name, band, PersonId(after) if after else None, asked.limit + 1)  # type: ignore[arg-type]
    kept, following = pages.cut(found, asked.limit, lambda last: last.person)
    cards = profile.cards(connection, [place.person for place in kept])
    told = segments_shown.members(kept, cards, clear=clear)
    return asked.answer_either(told, following, segments_shown.MEMBERS_SHEET)


def verdicts(connection: Connection, of: Stored, person: UUID, here: Here) -> tuple[PersonId, list[Verdict], datetime]:
    """Judge the conditions of a rule set of one person, and return who that is today, the verdicts, and as of when."""
    present, now = people.survivor(connection, str(person)), here.clock()
    conditions = rulesets.conditions(of.rules, store.standing_sets(connection))
    by = measuring.measure(connection, conditions, here.judged_by, now)
    known = facts.of_people(connection, [present], facts.wanted(conditions, by), now)
    if present not in known:
        raise NotFound("this is nobody's: an identifier of several")
    return present, [judging.judge(each, known[present], by) for each in conditions], now


def _shown(connection: Connection, name: str) -> segment_schemas.SegmentOut:
    return segments_shown.segment(store.one(connection, name, SEGMENTS), store.counts(connection, [name])[name])
