"""What may be asked for as an export: a wish of its own for each kind, with the filters that it has."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from core.event import Key, Word
from profiles.consent import MARKETING
from profiles.platforms import Platform
from profiles.profile import Wanted
from profiles.timeline import Filter
from profiles.writers import Format

EventType = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)?$", max_length=64)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EventFilters(_Asked):
    """Which events: from *since* until before *until*, of one type, on one channel, about one article."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    type: EventType | None = None
    channel: Word | None = None
    article: Key | None = None

    @property
    def wanted(self) -> Filter:
        """The same, but for the article."""
        return Filter(self.channel, self.type, self.since, self.until)


class ReaderFilters(_Asked):
    """Whose readers, and which of them. *follower* `false`: all who are not known to follow."""

    article: Key
    follower: bool | None = None
    min_generation: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    min_intent: Annotated[int, Field(ge=0, le=100)] | None = None
    reachable: bool | Literal["sms", "mail", "official_account"] | None = None

    @property
    def wanted(self) -> Wanted:
        """The same, but for the article."""
        return Wanted(self.follower, self.min_generation, self.min_intent, self.reachable)


class SegmentFilters(_Asked):
    """Which segment, or which layers or stages, and in these of which *band*."""

    segment: Word
    band: Word | None = None


class AudienceFilters(_Asked):
    """Whom: the readers of an article, those in a segment, else everybody."""

    article: Key | None = None
    segment: Word | None = None
    band: Word | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.article is not None and self.segment is not None:
            raise ValueError("name an article or a segment")
        if self.band is not None and self.segment is None:
            raise ValueError("a band is one of a segment's")
        return self


class PeopleExport(_Asked):
    """Everybody, and then the identifiers that nobody owns."""

    what: Literal["people"]
    format: Format = Format.CSV
    clear: bool = False


class EventsExport(_Asked):
    """Every event that was not taken back, those of robots too."""

    what: Literal["events"]
    format: Format = Format.CSV
    filters: EventFilters = EventFilters()
    clear: bool = False


class LinksExport(_Asked):
    """Every link between two identifiers, those that are refused too."""

    what: Literal["links"]
    format: Format = Format.CSV
    clear: bool = False


class ReadersExport(_Asked):
    """The readers of an article."""

    what: Literal["readers"]
    format: Format = Format.CSV
    filters: ReaderFilters
    clear: bool = False


class SegmentExport(_Asked):
    """The people in a segment, or in a band of layers or stages."""

    what: Literal["segment"]
    format: Format = Format.CSV
    filters: SegmentFilters
    clear: bool = False


class AudienceExport(_Asked):
    """A list for an ad platform: hashes of the addresses of those who agreed to *purpose*, as the platform wants them."""

    what: Literal["audience"]
    platform: Platform
    purpose: Word = MARKETING
    format: Format = Format.CSV
    filters: AudienceFilters = AudienceFilters()

    @property
    def clear(self) -> bool:
        """A hash of a phone is found by hashing all phones, so it says who somebody is."""
        return True


Wish = PeopleExport | EventsExport | LinksExport | ReadersExport | SegmentExport | AudienceExport
WISH: TypeAdapter[Wish] = TypeAdapter(Annotated[Wish, Field(discriminator="what")])
