"""The shapes of questions and answers about segments, layers and stages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.schemas import PersonId
from core.event import Word
from profiles.segments import rulesets
from profiles.segments.conditions import Tree
from profiles.segments.rulesets import Title

Labels = Annotated[Mapping[Word, Title], Field(default_factory=dict, max_length=20, description="By language.")]
ConditionOut = Annotated[dict[str, JsonValue], Field(description="A condition, as it was written.")]


class Asked(BaseModel):
    """What is asked strictly: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Segment(Asked):
    """A segment to be defined."""

    name: Word
    when: Tree
    labels: Labels


class Definition(Asked):
    """What a segment is to be from now on; at *version*, where nobody else is to have changed it meanwhile."""

    when: Tree
    labels: Labels
    version: int | None = None


class Question(Asked):
    """A condition about which something is asked before it is saved."""

    when: Tree


class Bands(Asked):
    """Layers or stages to be defined: a person is in the first of the bands whose condition holds."""

    name: Word
    kind: Literal["layers", "stages"]
    bands: rulesets.Bands
    labels: Labels


class BandsDefinition(Asked):
    """What layers or stages are to be from now on; at *version*, where nobody else is to have changed them meanwhile."""

    bands: rulesets.Bands
    labels: Labels
    version: int | None = None


class SegmentOut(BaseModel):
    """A segment. *people* are those in it; *as_of* is when everybody was looked at by this definition, since when it is live
    (`null`: that is not done yet)."""

    name: str
    labels: dict[str, str]
    when: ConditionOut
    version: int
    people: int
    as_of: datetime | None
    changed_at: datetime
    changed_by: str


class BandOut(BaseModel):
    """One of some layers or stages, and how many people are in it."""

    name: str
    labels: dict[str, str]
    when: ConditionOut
    people: int


class BandsOut(BaseModel):
    """Layers or stages, in the order in which their conditions are asked; *as_of* as in a segment."""

    name: str
    kind: Literal["layers", "stages"]
    labels: dict[str, str]
    bands: list[BandOut]
    version: int
    as_of: datetime | None
    changed_at: datetime
    changed_by: str


class PresetBandOut(BaseModel):
    """One band of a preset."""

    name: str
    labels: dict[str, str]
    when: ConditionOut


class PresetOut(BaseModel):
    """Layers or stages that can be taken over, with thresholds of one's own: `POST /v1/stages` takes it as it is."""

    name: str
    kind: Literal["layers", "stages"]
    labels: dict[str, str]
    bands: list[PresetBandOut]


class MemberOut(BaseModel):
    """A person in a segment, or in a band of some layers or stages, *since* when."""

    person_id: PersonId
    label: str
    company: str | None
    follower: bool | None
    reachable_via: list[str]
    band: str
    since: datetime


class PreviewOut(BaseModel):
    """Of how many people a condition holds, *as_of* now, and some of them."""

    people: int
    of_people: int
    as_of: datetime
    some: list[str] = Field(description="Ids of people.")


class OverlapOut(BaseModel):
    """How many people are in two segments, in each of them, and in *both*; *share* is how many of those in any are in both."""

    people: int
    other_people: int
    both: int
    share: float | None


class VerdictOut(BaseModel):
    """Whether a condition *holds* of a person, what was *found* (hidden without people:read_pii where it is a trait), and *until*
    when that stands if nothing happens (`null`: for good)."""

    condition: ConditionOut
    holds: bool
    found: JsonValue
    until: datetime | None
    of: list["VerdictOut"] = Field(description="The verdicts on what it is made of.")


class ExplanationOut(BaseModel):
    """Why a person is in a segment *as_of* now, or is not."""

    person_id: PersonId
    is_in: bool
    as_of: datetime
    verdict: VerdictOut


class BandVerdictOut(BaseModel):
    """Whether the condition of one band holds; a person is in the first whose does."""

    band: str
    verdict: VerdictOut


class BandsExplanationOut(BaseModel):
    """In which band a person is *as_of* now (`null`: in none), and why."""

    person_id: PersonId
    band: str | None
    as_of: datetime
    verdicts: list[BandVerdictOut]


class ShiftOut(BaseModel):
    """How many people would go from one band to another (`null`: none)."""

    before: str | None
    after: str | None
    people: int


class SimulationOut(BaseModel):
    """What layers or stages would be, *as_of* now, beside what they are."""

    as_of: datetime
    people: dict[str, int] = Field(description="By band, as it would be.")
    shifts: list[ShiftOut] = Field(description="From the band of the present definition, if any, to that of this one.")


class PlaceOut(BaseModel):
    """Where a person stands: in a segment, or in the *band* of layers or stages, *since* when."""

    set: str
    kind: Literal["segment", "layers", "stages", "alert"]
    band: str
    since: datetime
