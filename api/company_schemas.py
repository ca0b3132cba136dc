"""The shapes of answers about companies."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas import EventEntry, PersonId


class CompanyContributionOut(BaseModel):
    """What one of its people, whose own score is *score*, adds to that of the company."""

    person_id: PersonId
    score: int
    points: float


class SurgeOut(BaseModel):
    """What its people did within seven days (*events*), against the mean of the weeks before (*expected*)."""

    events: int
    expected: float
    ratio: float | None = Field(description="null: nothing was done before.")
    z: float = Field(description="How many standard deviations of a Poisson distribution it is off.")
    surging: bool


class CompanyIntentOut(BaseModel):
    """How likely there is business with a company, and why: *base* by its people, and a *bonus* for how many *people* count."""

    score: int = Field(ge=0, le=100)
    base: float
    bonus: float
    people: int
    contributions: list[CompanyContributionOut] = Field(
        description="By person, the most first; they sum up to the base."
    )
    surge: SurgeOut


class CompanyOut(BaseModel):
    """A company as it stands in a list."""

    id: str
    name: str
    domain: str | None
    people: int
    intent: CompanyIntentOut
    as_of: datetime


class SuggestionOut(BaseModel):
    """Another company that may be the same, since *theirs* is as good a name as *ours*. Nobody is rolled up by it."""

    id: str
    name: str
    people: int
    ours: str
    theirs: str


class CompanyFullOut(CompanyOut):
    """A company with all the names that its people say, and what may be the same."""

    names: list[str]
    suggestions: list[SuggestionOut]


class BecauseOut(BaseModel):
    """Why somebody is of a company: what was *said*, *by* the identifier (its id) or the event (its uid)."""

    ground: Literal["work_mail", "declared", "wecom_corp"]
    said: str
    by: str
    at: datetime


class CompanyPersonOut(BaseModel):
    """One of the people of a company, and why he is one."""

    person_id: PersonId
    label: str
    score: int
    because: list[BecauseOut]


class CompanyEventOut(BaseModel):
    """What one of the people of a company did."""

    person_id: PersonId
    event: EventEntry
