"""The shapes of what is answered about articles."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.schemas import PersonId


class ArticleOut(BaseModel):
    """An article that some event has named."""

    id: str
    title: str | None
    url: str | None
    topics: list[str]
    first_at: datetime


class Generation(BaseModel):
    """People at so many steps from the push; *ratio* is to the generation before."""

    generation: int
    people: int
    ratio: float | None


class Spreader(BaseModel):
    """Who brought others."""

    person_id: PersonId
    label: str
    generation: int
    children: int
    descendants: int


class OfficialOut(BaseModel):
    """What the platform itself counts, *as_of* a moment: the latest that was brought."""

    reads: int
    readers: int | None
    shares: int | None
    by_source: dict[str, int]
    as_of: datetime
    source: str


class StatsOut(BaseModel):
    """How an article fared. *official* and *coverage* are null until the platform's own counts have been imported."""

    article_id: str
    readers: int = Field(description="People who read it, anonymous ones included.")
    reads: int = Field(description="By humans.")
    anonymous_reads: int = Field(description="Of these, by people of whom no strong identifier, or none, is known.")
    suspected_bot_reads: int
    non_followers: int = Field(description="Readers not known to follow an account.")
    k_factor: float | None = Field(description="People brought by people, per person.")
    depth: int
    generations: list[Generation]
    top_spreaders: list[Spreader]
    official: OfficialOut | None
    coverage: float | None = Field(description="Reads by identified people, per read that the platform counts.")


class ReaderOut(BaseModel):
    """A person who read an article. *follower* is null where nothing was ever said of it."""

    person_id: PersonId
    label: str
    company: str | None
    first_read_at: datetime
    last_read_at: datetime
    reads: int
    dwell_ms: int
    scroll: float
    generation: int
    came_from: PersonId | None
    scene: str | None
    follower: bool | None
    reachable_via: list[str]
    intent: int
    presumed: bool = Field(description="All of it stands under identifiers that are only presumed to be his.")


class TreeNode(BaseModel):
    """A person in the share tree; *parent* is whose link brought him (`null`: the push itself)."""

    person_id: PersonId
    label: str
    parent: PersonId | None
    generation: int
    children: int
    descendants: int
    entered_at: datetime
    first_read_at: datetime | None


class ShareTreeOut(BaseModel):
    """A share tree, parents before children; *truncated* where it has more nodes than are shown."""

    article_id: str
    nodes: list[TreeNode]
    people: int
    depth: int
    truncated: bool
