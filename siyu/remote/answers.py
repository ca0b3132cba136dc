"""What Siyu answers, as far as callers need it by name; fields that are added later are kept, and read as attributes too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Open to what is added."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Found(Answer):
    """Whom an identifier leads to; nobody, or several where it is contested."""

    identifier: str
    person_id: str | None
    contested_by: list[str] | None = None


class Identifier(Answer):
    """One of somebody's identifiers, masked unless the key may see people in clear."""

    id: str
    identifier: str
    namespace: str
    standing: str
    first_seen: datetime
    weak: bool


class Profile(Answer):
    """One person as of now. *version* only rises."""

    person_id: str
    version: int
    label: str
    identifiers: list[Identifier]
    traits: Mapping[str, Any]
    company: str | None
    stages: Mapping[str, str]
    layers: Mapping[str, str]
    intent: int
    reachable_via: list[str]
    first_seen: datetime
    last_seen: datetime | None


class Entry(Answer):
    """One line of a timeline: an event, something opened, or a change of who he is (`kind`)."""

    kind: str


class Contribution(Answer):
    """What one rule gives to a score."""

    rule: str
    points: float


class Intent(Answer):
    """How likely there is business, from 0 to 100, and why."""

    person_id: str
    score: int
    change: int
    contributions: list[Contribution]


class Reader(Answer):
    """Who read an article, and by whom he came."""

    person_id: str
    label: str
    company: str | None
    first_read_at: datetime
    last_read_at: datetime
    reads: int
    generation: int
    came_from: str | None
    follower: bool | None
    reachable_via: list[str]
    intent: int


class Spreader(Answer):
    """Somebody who brought readers."""

    person_id: str
    label: str
    descendants: int


class Stats(Answer):
    """An article in figures."""

    article_id: str
    readers: int
    reads: int
    non_followers: int
    k_factor: float | None
    depth: int
    top_spreaders: list[Spreader]


class Node(Answer):
    """A reader's place in the share tree."""

    person_id: str
    parent: str | None
    generation: int
    descendants: int
    first_read_at: datetime


class ShareTree(Answer):
    """Who read by whom."""

    nodes: list[Node]
    truncated: bool


class Company(Answer):
    """A company, of whom we know people."""

    id: str
    name: str
    domain: str | None
    people: int


class Member(Answer):
    """Somebody who is in a segment."""

    person_id: str
    band: str


class Lead(Answer):
    """Somebody, or a company, to be followed up."""

    id: str
    label: str
    status: str
    owner: str | None
    version: int


class CanSend(Answer):
    """Whether somebody may be written to now, and why."""

    allowed: bool
    reason: str
    next_allowed_at: datetime | None


class Job(Answer):
    """Something that takes its time."""

    id: str
    status: str
    error: str | None


class Rejected(Answer):
    """An event that was not taken: its place among those sent, a stable code, and why."""

    index: int
    code: str
    detail: str


class Receipt(Answer):
    """How many events the log has, and which it has not."""

    accepted: int
    rejected: list[Rejected]
