"""What is asked of webhooks, and what is answered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.announced import NAMES
from core.event import Word
from core.outbound import URL_LENGTH_MAX

DESCRIPTION_LENGTH_MAX = 500


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"these are the types: {', '.join(sorted(NAMES))}")
    return name


Url = Annotated[
    str, Field(max_length=URL_LENGTH_MAX, examples=["https://example.com/hooks/siyu"], description="https, by name.")
]
TypeName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(NAMES)})]
Types = Annotated[
    list[TypeName], Field(min_length=1, max_length=len(NAMES), description="What it hears of; `null`: of everything.")
]
Segment = Annotated[Word, Field(description="It hears of people in this segment; `null`: of all.")]
Description = Annotated[str, StringConstraints(max_length=DESCRIPTION_LENGTH_MAX, pattern="^[^\0]*$")]


class WebhookNew(BaseModel):
    """Where to send what is announced."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    types: Types | None = None
    segment: Segment | None = None
    description: Description = ""


class WebhookChange(BaseModel):
    """What to change of a webhook that is still at *version*; what is not named stays. To disable it, or to enable it again."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)]
    url: Url | None = None
    types: Types | None = None
    segment: Segment | None = None
    description: Description | None = None
    disabled: bool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.model_fields_set == {"version"}:
            raise ValueError("name what to change")
        if any(getattr(self, name) is None for name in self.model_fields_set & {"url", "description", "disabled"}):
            raise ValueError("url, description and disabled are never null")
        return self


class WebhookOut(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    types: list[str] | None
    segment: str | None
    description: str
    version: int
    created_at: datetime
    created_by: str
    old_secret_until: datetime | None = Field(description="Until then the secret before this one signs too.")
    failing_since: datetime | None = Field(description="It has taken nothing since; `null`: it has.")
    disabled_at: datetime | None
    disabled_reason: str | None


class WebhookMadeOut(WebhookOut):
    """A webhook, and its secret, which is shown this once."""

    secret: str = Field(pattern="^whsec_")


class DeliveryOut(BaseModel):
    """One announcement for one webhook, and what has become of it."""

    id: str
    event_id: str = Field(
        description="The header `webhook-id`, and the id of the CloudEvent: the same at each attempt."
    )
    type: str
    status: Literal["waiting", "done", "dead"]
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    status_code: int | None = Field(description="Of the last answer.")
    took_ms: int | None
    error: str | None


class TriedOut(BaseModel):
    """How a test ended."""

    taken: bool
    status_code: int | None
    took_ms: int
    error: str | None


class ResentOut(BaseModel):
    """How many deliveries are tried again."""

    deliveries: int
