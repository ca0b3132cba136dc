"""What a value has to be for a rule or a condition to take it, and where in an event it stands. Pure."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

VALUES_MAX = 200  # named by one condition
# A step that is a number could be a place in a list, which an event's fields are not looked for in.
Path = Annotated[
    str,
    StringConstraints(
        max_length=256, pattern=r"^[^.{}\",\\]*[^.{}\",\\0-9-][^.{}\",\\]*(\.[^.{}\",\\]*[^.{}\",\\0-9-][^.{}\",\\]*)*$"
    ),
]
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Value:
    """What a value has to be: a number from *min* to *max*, one of *is_in*, a text that *contains* this one, whatever the case of
    its Latin letters. Where nothing is said, it has to be known."""

    min: float | None = None
    max: float | None = None
    is_in: Annotated[frozenset[str | int | bool], Field(min_length=1, max_length=VALUES_MAX)] | None = None
    contains: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    __pydantic_config__ = ConfigDict(extra="forbid")

    def holds(self, value: object) -> bool:
        """Whether *value* is so; what is not known is not."""
        if self.min is not None or self.max is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            is_high_enough = self.min is None or value >= self.min
            if not (is_high_enough and (self.max is None or value <= self.max)):
                return False
        if self.is_in is not None and not (isinstance(value, str | int) and value in self.is_in):
            return False
        if self.contains is not None and not (isinstance(value, str) and lower(self.contains) in lower(value)):
            return False
        return value is not None


def lower(text: str) -> str:
    """Return *text* with its Latin capitals made small, as a database does it whatever its language."""
    return text.translate(_LOWER)


def at_path(body: Mapping[str, Any], path: str) -> object:
    """Return the field of *body* at *path* (steps parted by dots), `None` where there is none."""
    value: object = body
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
