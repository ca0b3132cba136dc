"""The rules as data: read from TOML, checked once, and handed to whatever decides."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import InvalidSetting
from core.event import Strength, Trust
from core.identifier import Namespace


@dataclass(frozen=True, slots=True)
class Standing:
    """What a sender's events may claim: at most *ceiling*, *default* when they say nothing, *vouched* for or not."""

    vouched: bool
    ceiling: Strength
    default: Strength
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that `resolve` needs to know beside the evidence."""

    namespaces: Mapping[str, Namespace]
    trust: Mapping[Trust, Standing]
    generic_owners_max: Annotated[int, Field(ge=1)]
    generic_counted: frozenset[str]
    person_identifiers_max: Annotated[int, Field(ge=2)]
    weak_bridges: Literal["complementing", "never"]
    presumption_off: frozenset[str]
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def reassignable(self) -> frozenset[str]:
        """The namespaces whose identifiers go from one person to another."""
        return frozenset(name for name, namespace in self.namespaces.items() if namespace.reassignable)


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("stitcher").joinpath("rules.toml").read_text(encoding="utf-8"))


def read(written: str) -> Rules:
    """Return the rules that a TOML text states; raises `InvalidSetting`, which names the first fault."""
    try:
        rules = TypeAdapter(Rules).validate_python(tomllib.loads(written))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"the rules are not TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidSetting(f"rules: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    for trust in Trust:
        if trust not in rules.trust:
            raise InvalidSetting(f"rules: trust.{trust}: it is missing")
    return rules
