"""The shapes of answers about leads."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.company_schemas import CompanyIntentOut
from api.intent_schemas import IntentOut
from api.schemas import PersonId

Status = Literal["new", "assigned", "contacted", "qualified", "won", "lost"]


class LeadOut(BaseModel):
    """Business to follow up, with a person or a company, and how likely it is now."""

    id: str
    version: int = Field(description="Who changes the lead says which one he has seen.")
    person_id: PersonId | None
    company_id: str | None
    label: str = Field(description="What to call the person or the company.")
    status: Status
    owner: str | None
    note: str | None = Field(description="Hidden unless the key has people:read_pii.")
    opened_at: datetime
    opened_by: str = Field(description="A key (`key:…`), or `intent`: a score that rose above its threshold.")
    first_response_at: datetime | None
    response_seconds: float | None = Field(description="From when it was opened until somebody was in touch.")
    closed_at: datetime | None
    also: list[str] = Field(description="Younger leads about the same person, for which this one stands.")
    intent: IntentOut | None = Field(description="Of a person, with reasons.")
    company_intent: CompanyIntentOut | None = Field(description="Of a company, with reasons.")


class LeadChangeOut(BaseModel):
    """What was changed of a lead, by whom, and what it is since."""

    version: int
    at: datetime
    by: str
    fields: dict[str, str | None]


class LeadFullOut(LeadOut):
    """A lead with all that became of it, the latest first."""

    history: list[LeadChangeOut]


class ResponseOut(BaseModel):
    """How fast leads were answered: of those *opened*, *answered* ones, and those still *waiting*."""

    owner: str | None = Field(description="null: all together, those without an owner among them.")
    opened: int
    answered: int
    waiting: int
    rate: float | None
    median_seconds: float | None
    p90_seconds: float | None = Field(description="Nine of ten were answered within.")


class ResponsesOut(BaseModel):
    """How fast leads opened from `from` until before `to` were answered; *numerator* and *denominator* say of what a rate is."""

    numerator: str
    denominator: str
    from_: datetime | None = Field(serialization_alias="from")
    to: datetime | None
    as_of: datetime
    total: ResponseOut
    owners: list[ResponseOut]
