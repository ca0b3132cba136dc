"""Writes docs/schemas/ (what a sender may write, and what stands on the topics), docs/openapi.json, and the
tables of docs/access.md. Run by `make schemas`.

Within a major version fields are only added, so what we announce is described open: a reader overlooks what he does not
know. What a sender writes is described as strictly as it is checked.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from core.clock import system_clock
from core.database import connect
from core.directive import Directive
from core.event import Event
from core.identifier import BlindIndex
from core.log.port import (
    DIRECTIVES,
    EVENTS,
    IDENTITY_CHANGED,
    INTENT_ALERT,
    PROFILE_UPDATED,
    SEGMENT_MEMBERSHIP,
    STAGE_CHANGED,
)
from core.log.postgres import PostgresLog
from core.settings import Settings
from core.submission import Submission
from ingest.channels import Channels
from profiles import company_intent, description, frequency, intent
from profiles.record import CAUSES_MAX, Reason
from profiles.segments import telling
from scripts import access
from siyu.serving import Role, application
from siyu.system import System
from stitcher import rules
from stitcher.difference import Kind

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
OPENAPI = FOLDER.parent / "openapi.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

PersonId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="Leads to the person for ever, whatever is merged or split.",
    ),
]
Version = Annotated[int, Field(ge=1, description="Only rises; drop what is not above the last one of this person.")]
Causes = Annotated[
    list[str],
    Field(max_length=CAUSES_MAX, description="Ids of the events that brought it about, not all where many did."),
]
AsOf = Annotated[AwareDatetime, Field(description="When it was decided.")]


class ProfileUpdated(BaseModel):
    """A person's profile is another one: read it again, and on `merged_from` move your rows."""

    person_id: PersonId
    version: Version
    reason: Reason
    changed: Annotated[list[str], Field(description="The parts of the profile that are concerned, sorted.")]
    merged_from: Annotated[list[PersonId], Field(description="Who is he from now on.")]
    cause: Causes
    as_of: AsOf


class IdentityChanged(BaseModel):
    """Somebody is new, is one with another, is two, or never was; or an identifier is another person's, or nobody's."""

    type: Kind
    person_id: PersonId
    version: Version
    from_: Annotated[list[PersonId], Field(alias="from", description="In `person.merged`: who is he from now on.")]
    into: Annotated[list[PersonId], Field(description="In `person.split`: who is somebody else from now on.")]
    identifiers: Annotated[list[str], Field(description="Ids of the identifiers that it is about.")]
    cause: Causes
    as_of: AsOf


class SegmentMembership(BaseModel):
    """Somebody entered a segment, or left it."""

    person_id: PersonId
    segment: str
    change: Literal["entered", "left"]
    reason: telling.Reason
    as_of: AsOf


class StageChanged(BaseModel):
    """Somebody went from one band of some layers or stages to another; `null`: he was, or is, in none."""

    person_id: PersonId
    set: str
    kind: Literal["layers", "stages"]
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    reason: telling.Reason
    as_of: AsOf


class Contribution(BaseModel):
    """What one rule gives to the score."""

    rule: str
    points: float


class IntentAlert(BaseModel):
    """The intent of somebody reached a threshold (`up`), or fell below it (`down`)."""

    person_id: PersonId
    score: Annotated[int, Field(ge=0, le=100)]
    threshold: Annotated[int, Field(ge=0, le=100)]
    direction: Literal["up", "down"]
    contributions: Annotated[list[Contribution], Field(description="The most first.")]
    as_of: AsOf


def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return all schemas by the names of their files."""
    described: dict[str, TypeAdapter[Any]] = {
        "event.submission.json": TypeAdapter(Submission),
        f"{EVENTS}.json": TypeAdapter(Event),
        f"{DIRECTIVES}.json": TypeAdapter(Directive),
        f"{PROFILE_UPDATED}.json": TypeAdapter(ProfileUpdated),
        f"{IDENTITY_CHANGED}.json": TypeAdapter(IdentityChanged),
        f"{SEGMENT_MEMBERSHIP}.json": TypeAdapter(SegmentMembership),
        f"{STAGE_CHANGED}.json": TypeAdapter(StageChanged),
        f"{INTENT_ALERT}.json": TypeAdapter(IntentAlert),
    }
    return {name: {"$schema": DIALECT, **adapter.json_schema()} for name, adapter in described.items()}


def whole() -> FastAPI:
    """Return the application with all its routes, in front of no database."""
    engine = connect("postgresql://")
    log = PostgresLog(engine, partitions=1)
    system = System(
        settings=Settings(),
        engine=engine,
        log=log,
        rules=rules.shipped(),
        intent_rules=intent.shipped(),
        frequency_rules=frequency.shipped(),
        company_rules=company_intent.shipped(),
        description_rules=description.shipped(),
        signing_key=b"",
        index=BlindIndex(b""),
        clock=system_clock,
        channels=Channels(),
        group_robots={},
    )
    return application(system, set(Role))


def openapi() -> Mapping[str, Any]:
    """Return the description of all routes, as `/openapi.json` has it."""
    return whole().openapi()


def written(schema: Mapping[str, Any]) -> str:
    """Return *schema* as the text of its file."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema to its file, and take away what is none any more."""
    made = schemas()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob("*.json"):
        if file.name not in made:
            file.unlink()
    for name, schema in made.items():
        (FOLDER / name).write_text(written(schema), encoding="utf-8")
    OPENAPI.write_text(written(openapi()), encoding="utf-8")
    access.PAGE.write_text(access.page(whole()), encoding="utf-8")


if __name__ == "__main__":
    main()
