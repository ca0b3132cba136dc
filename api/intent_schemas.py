"""The shapes of answers about how likely there is business with somebody."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.schemas import PersonId


class SignalOut(BaseModel):
    """An event that intent is judged by, and what it gives now."""

    uid: str
    type: str
    channel: str
    occurred_at: datetime
    points: float


class ContributionOut(BaseModel):
    """What one rule gives: *points* of the score, of *uncapped* ones, by so many *events*, of which the *newest* are shown."""

    rule: str
    labels: dict[str, str] = Field(description="By language.")
    points: float
    uncapped: float
    half_life_days: float
    events: int
    newest: list[SignalOut]


class IntentOut(BaseModel):
    """How likely there is business with a person *as_of* now, by how much the score rose within a week, and why."""

    person_id: PersonId
    score: int = Field(ge=0, le=100)
    change: int
    as_of: datetime
    contributions: list[ContributionOut] = Field(description="By rule, the most first.")
