"""Layers and stages: defining them, trying them before, and asking who is where and why."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection

from api import pages, segment_schemas, segments_shown
from api.access import Clear, Definer
from api.context import Here
from api.etag import Cached, Changing
from api.idempotency import Once
from api.pages import Paged
from api.schemas import Page
from api.segments import Whom, is_one, paged, verdicts
from api.transactions import Alone, Defining, Snapshot
from core.event import Word
from core.problems import OF_CONDITIONS, raises
from profiles.segments import defining, everybody, measuring, rulesets, store
from profiles.segments.rulesets import Kind, RuleSet

BANDED = (Kind.LAYERS, Kind.STAGES)

router = APIRouter(prefix="/v1/stages", tags=["stages"], route_class=Once)

Name = Annotated[Word, Path(description="The name of some layers or stages.")]


@router.get("")
def listing(connection: Snapshot) -> list[segment_schemas.BandsOut]:
    """Return all layers and stages by name."""
    known = {name: each for name, each in store.all_sets(connection).items() if is_one(each, BANDED)}
    counts = store.counts(connection, known)
    return [segments_shown.bands(each, counts[name]) for name, each in known.items()]


@router.get("/presets")
def presets(_: Clear) -> list[segment_schemas.PresetOut]:
    """Return the layers and stages that Siyu ships with: none is in force until it is defined by `POST /v1/stages`."""
    return [segments_shown.preset(each) for each in rulesets.presets().values()]


@router.post("", status_code=201)
@raises("refused", *OF_CONDITIONS)
def define(asked: segment_schemas.Bands, here: Here, connection: Defining, key: Definer) -> segment_schemas.BandsOut:
    """Define layers or stages. Everybody is looked at soon, and from then on whoever changes."""
    defining.add(connection, _rules(asked), f"key:{key.id}", here.clock())
    return _shown(connection, asked.name)


@router.post("/simulate")
@raises(*OF_CONDITIONS)
def simulate(asked: segment_schemas.Bands, here: Here, connection: Alone) -> segment_schemas.SimulationOut:
    """Say where everybody would stand by a definition, and from where people would go there; nothing is saved."""
    now, rules = here.clock(), _rules(asked)
    conditions = rulesets.conditions(rules, store.standing_sets(connection))
    by = measuring.measure(connection, conditions, here.judged_by, now)
    shifts = everybody.shifts(connection, rules, conditions, by)
    people: Counter[str] = Counter({band.name: 0 for band in rules.bands})
    for (_, after), number in shifts.items():
        if after is not None:
            people[after] += number
    return segment_schemas.SimulationOut(
        as_of=now,
        people=dict(people),
        shifts=[
            segment_schemas.ShiftOut(before=before, after=after, people=number)
            for (before, after), number in sorted(shifts.items(), key=lambda each: -each[1])
        ],
    )


@router.get("/{name}", response_model=segment_schemas.BandsOut)
@raises("not_found")
def show(name: Name, connection: Snapshot, cached: Cached) -> segment_schemas.BandsOut | Response:
    """Return some layers or stages."""
    out = _shown(connection, name)
    return cached.answer_at(out.version, out)


@router.put("/{name}")
@raises("not_found", "refused", *OF_CONDITIONS)
def change(
    name: Name,
    asked: segment_schemas.BandsDefinition,
    here: Here,
    connection: Defining,
    key: Definer,
    changing: Changing,
) -> segment_schemas.BandsOut:
    """Define layers or stages anew. Where people stand is looked at soon; until then it is as it was."""
    present = store.one(connection, name, BANDED)
    changing.check(present.version)
    rules = RuleSet(name=name, kind=present.rules.kind, bands=asked.bands, labels=dict(asked.labels))
    defining.change(connection, rules, asked.version, f"key:{key.id}", here.clock())
    out = _shown(connection, name)
    return changing.answer_at(out.version, out)


@router.delete("/{name}", status_code=204)
@raises("not_found", "refused")
def remove(name: Name, here: Here, connection: Defining, key: Definer, changing: Changing) -> None:
    """Remove layers or stages: everybody leaves them. Refused (409) while a segment refers to them."""
    changing.check(store.one(connection, name, BANDED).version)
    defining.remove(connection, name, BANDED, f"key:{key.id}", here.clock())


@router.get(
    "/{name}/people",
    response_model=Page[segment_schemas.MemberOut],
    responses=pages.document("Who stands in layers or stages, by id."),
)
@raises("not_found")
def members(
    name: Name,
    connection: Snapshot,
    asked: Paged,
    clear: Clear,
    band: Annotated[Word | None, Query(description="Only those in this band.")] = None,
) -> Page[segment_schemas.MemberOut] | Response:
    """Return the people who stand in layers or stages, by id."""
    store.one(connection, name, BANDED)
    return paged(connection, name, band, asked, clear=clear)


@router.get("/{name}/explain")
@raises("not_found", "gone")
def explain(
    name: Name, person: Whom, here: Here, connection: Snapshot, clear: Clear
) -> segment_schemas.BandsExplanationOut:
    """Say in which band somebody is as of now, and why not in the others."""
    of = store.one(connection, name, BANDED)
    present, found, now = verdicts(connection, of, person, here)
    return segments_shown.bands_explanation(present, of.rules, found, now, clear=clear)


def _rules(asked: segment_schemas.Bands) -> RuleSet:
    return RuleSet(name=asked.name, kind=Kind(asked.kind), bands=asked.bands, labels=dict(asked.labels))


def _shown(connection: Connection, name: str) -> segment_schemas.BandsOut:
    return segments_shown.bands(store.one(connection, name, BANDED), store.counts(connection, [name])[name])
