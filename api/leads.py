"""Following business up: leads about people and companies, who has them, and what became of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from sqlalchemy import Connection

from api import lead_schemas, lead_shown, pages
from api.access import Clear, Writer
from api.companies import COMPANY_LENGTH_MAX
from api.context import Context, Here
from api.etag import Cached, Changing
from api.idempotency import Once
from api.lead_shown import About
from api.pages import UUID_TEXT, Paged
from api.schemas import Page
from api.transactions import Snapshot, Writing
from core.errors import NotFound
from core.problems import raises
from profiles import lead, leads, people, profile, rollup
from profiles.companies import Company, CompanyId
from profiles.lead import Lead, LeadId, Status
from profiles.leads import Wanted

OWNER_LENGTH_MAX = 128
NOTE_LENGTH_MAX = 4_000

router = APIRouter(prefix="/v1/leads", tags=["leads"], route_class=Once)

Owner = Annotated[
    str, StringConstraints(min_length=1, max_length=OWNER_LENGTH_MAX, strip_whitespace=True, pattern="^[^\0]*$")
]
Note = Annotated[str, StringConstraints(max_length=NOTE_LENGTH_MAX, pattern="^[^\0]*$")]

_PLACE = TypeAdapter(tuple[AwareDatetime, Annotated[LeadId, UUID_TEXT]])


class Opening(BaseModel):
    """Whom to follow up: a person by any id that he ever had, or a company."""

    model_config = ConfigDict(extra="forbid")

    person_id: UUID | None = None
    company_id: Annotated[str, StringConstraints(max_length=COMPANY_LENGTH_MAX)] | None = None
    owner: Owner | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _is_about_one(self) -> Self:
        if (self.person_id is None) == (self.company_id is None):
            raise ValueError("name a person_id or a company_id")
        return self


class LeadChange(BaseModel):
    """What to change of a lead that is still at *version*; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)]
    status: lead_schemas.Status | None = None
    owner: Owner | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.model_fields_set == {"version"}:
            raise ValueError("name what to change: status, owner or note")
        if "status" in self.model_fields_set and self.status is None:
            raise ValueError("a lead always has a status")
        return self


@router.get("")
def listing(
    here: Here,
    connection: Snapshot,
    asked: Paged,
    clear: Clear,
    status: Status | None = None,
    owner: Annotated[str | None, Query(max_length=OWNER_LENGTH_MAX)] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="Neither won nor lost.")] = None,
) -> Page[lead_schemas.LeadOut]:
    """Return leads, those opened last first, each with how likely there is business now, and why."""
    found = leads.listing(connection, Wanted(status, owner, is_open), asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: (last.opened_at, last.id))
    about = _about(here, connection, kept)
    return asked.answer([lead_shown.lead(each, about, clear=clear) for each in kept], following)


@router.post(
    "", status_code=201, responses={200: {"model": lead_schemas.LeadFullOut, "description": "It was open already"}}
)
@raises("not_found", "gone", "no_owner")
def open_one(
    opening: Opening, here: Here, by: Writer, connection: Writing, clear: Clear, response: Response
) -> lead_schemas.LeadFullOut:
    """Open a lead about a person or a company, or return the one that is open."""
    person = people.survivor(connection, str(opening.person_id)) if opening.person_id else None
    company = CompanyId(opening.company_id) if opening.company_id else None
    if company:
        rollup.found(connection, company)
    opened, is_new = leads.open_about(
        connection, person, company, by=f"key:{by.id}", now=here.clock(), owner=opening.owner, note=opening.note
    )
    response.status_code = 201 if is_new else 200
    return _whole(here, connection, opened, clear=clear)


@router.get("/responses")
@raises("too_many_leads")
def responses(
    here: Here,
    connection: Snapshot,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="Opened not before this time.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Opened before this time.")] = None,
) -> lead_schemas.ResponsesOut:
    """Return how fast somebody was in touch, in all and by owner."""
    total, owners = lead.responses(leads.opened(connection, since, until))
    return lead_shown.responses(total, owners, since, until, here.clock())


@router.get("/{lead_id}", response_model=lead_schemas.LeadFullOut)
@raises("not_found")
def show(
    lead_id: UUID, here: Here, connection: Snapshot, clear: Clear, cached: Cached
) -> lead_schemas.LeadFullOut | Response:
    """Return one lead with all that became of it."""
    out = _whole(here, connection, leads.found(connection, LeadId(str(lead_id))), clear=clear)
    return cached.answer_at(out.version, out)


@router.patch("/{lead_id}")
@raises("not_found", "refused", "no_owner", "has_an_owner")
def change(
    lead_id: UUID, wanted: LeadChange, here: Here, by: Writer, connection: Writing, clear: Clear, changing: Changing
) -> lead_schemas.LeadFullOut:
    """Change status, owner or note of a lead. Who has not seen its present version is refused."""
    changing.check(leads.found(connection, LeadId(str(lead_id))).version)
    fields = wanted.model_dump(include=wanted.model_fields_set - {"version"})
    changed = leads.change(
        connection, LeadId(str(lead_id)), wanted.version, fields, by=f"key:{by.id}", now=here.clock()
    )
    return changing.answer_at(changed.version, _whole(here, connection, changed, clear=clear))


def _whole(here: Context, connection: Connection, of: Lead, *, clear: bool) -> lead_schemas.LeadFullOut:
    return lead_shown.whole(of, leads.history(connection, of.id), _about(here, connection, [of]), clear=clear)


def _about(here: Context, connection: Connection, found: Sequence[Lead]) -> About:
    """Read what is known of those whom the leads *found* are about, all of it at once."""
    judging = here.judging
    persons = {each.person for each in found if each.person}
    wanted = {each.company for each in found if each.company}
    everyone = _companies(connection, wanted)
    known = [everyone[company] for company in wanted if company in everyone]
    return About(
        cards=profile.cards(connection, persons),
        intents=judging.scoring.of_people(connection, persons),
        companies={judged.company.id: judged for judged in judging.each(connection, known)},
        scoring=judging.scoring,
    )


def _companies(connection: Connection, wanted: Collection[CompanyId]) -> Mapping[CompanyId, Company]:
    """Return those of the companies *wanted* of which anybody is: one is read by itself, several with all others."""
    if len(wanted) > 1:
        return rollup.everyone(connection)
    try:
        return {company: rollup.found(connection, company) for company in wanted}
    except NotFound:
        return {}
