"""The shapes of what describes a person: traits, tags, sources, levels, interests, and the people by whom he came."""

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from profiles.levels import Name
from profiles.tags import Kind
from profiles.traits import Keep


class StatedOut(BaseModel):
    """A value of a trait: who stated it, on which channel, when, and by which event. Masked like all traits."""

    value: JsonValue
    source: str
    channel: str
    stated_at: datetime
    event: str


class OriginOut(StatedOut):
    """The value of a trait that survived by a rule, and the newest of the others."""

    rule: Keep
    others: list[StatedOut] = Field(description="One for each value and source, up to 10.")


class TagOut(BaseModel):
    """A tag that somebody bears, of which kind, by whose word, and by which event (`null`: by rule, he is in the segment)."""

    name: str
    kind: Kind
    source: str
    stated_at: datetime
    event: str | None
    score: float | None = Field(description="How sure a model is.")
    expires_at: datetime | None


class CampaignOut(BaseModel):
    """A campaign, as events name it."""

    id: str | None
    source: str | None
    medium: str | None
    name: str | None


class TouchOut(BaseModel):
    """What somebody did by a source."""

    channel: str
    campaign: CampaignOut | None
    type: str
    at: datetime
    event: str


class EndsOut(BaseModel):
    """By what somebody came first, which no later event changes, and by what last. All sources: `/v1/people/{id}/sources`."""

    first: TouchOut | None
    last: TouchOut | None


class SourceOut(BaseModel):
    """A channel with a campaign, or without one, and how much somebody did by it."""

    channel: str
    campaign: CampaignOut | None
    first_at: datetime
    last_at: datetime
    events: int


class SourcesOut(EndsOut):
    """The same, and all sources, the earliest first."""

    person_id: str
    all: list[SourceOut]


class LevelOut(BaseModel):
    """Whether somebody is at a level of the pool, since when, because of what, and of which event, where it is one."""

    is_: bool = Field(serialization_alias="is")
    since: datetime | None
    because: str | None
    event: str | None


Levels = dict[Name, LevelOut]


class ReadingOut(BaseModel):
    """Something done with an article."""

    event: str
    type: str
    article_id: str
    at: datetime


class InterestOut(BaseModel):
    """How much of somebody's interest a topic has, and the newest events that say so."""

    topic: str
    points: float
    share: float = Field(description="Of the points of all topics.")
    events: int
    newest: list[ReadingOut]


class InterestsOut(BaseModel):
    """What somebody is interested in as of now, the most first."""

    person_id: str
    as_of: datetime
    half_life_days: float
    data: list[InterestOut]


class StepDownOut(BaseModel):
    """One of the people by whose links an article came to somebody; *generation* counts from the push."""

    person_id: str
    label: str
    generation: int
