"""Every code of a problem: its status, its title and what it means, in the languages that we speak. Read from problems.toml.

A code is a promise to those who write clients; docs/errors.md lists them all.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

OF_IDENTIFIERS = ("invalid_identifier", "invalid_scope", "unusable_identifier")
OF_CONDITIONS = ("unknown_set", "unknown_band", "circular")
OF_BODIES = ("content_too_large", "unsupported_media_type", "invalid_compression", "incomplete")
OF_KEYS = ("unauthorized", "forbidden", "unavailable", "overloaded")
OF_FIELDS = ("invalid_json", "invalid_type", "missing")  # and what `faults` has
OF_EVENTS = (
    *OF_BODIES,
    *OF_KEYS,
    *OF_FIELDS,
    *OF_IDENTIFIERS,
    "too_deep",
    "too_large",
    "too_many_events",
    "undeclared_type",
    "unexpected_field",
    "unstorable",
)
OF_CALLBACKS = (*OF_BODIES, *OF_FIELDS, "not_found", "forbidden", "unavailable", "overloaded")

T = TypeVar("T")


class Language(StrEnum):
    """A language in which people are told what is wrong."""

    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True)
class Said:
    """What a code says in one language: *title* in a few words, *meaning* in a sentence."""

    title: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code of problems, the HTTP status that it comes with, and what it says."""

    name: str
    status: int
    said: Mapping[Language, Said]

    @property
    def urn(self) -> str:
        """The `type` of its problems."""
        return f"urn:siyu:problem:{self.name}"


@cache
def codes() -> Mapping[str, Code]:
    """Return all codes of problems by name, in the order in which they are documented."""
    return {
        name: Code(name, entry["status"], {language: Said(*entry[language]) for language in Language})
        for name, entry in _written()["codes"].items()
    }


@cache
def faults() -> Mapping[str, Mapping[Language, str]]:
    """Return what is said of a field by the checks of its form, by their codes."""
    return {name: {language: entry[language] for language in Language} for name, entry in _written()["faults"].items()}


def title(name: str, language: Language, otherwise: str) -> str:
    """Return the title of the problem called *name*; of what only a field can be it is *otherwise*."""
    return codes()[name].said[language].title if name in codes() else otherwise


def detail(name: str, specific: str, language: Language) -> str:
    """Return *specific*, what is the case just now in English, so that one who reads *language* knows what it is about."""
    if language is Language.EN or (general := _general(name, language)) is None:
        return specific
    return general if specific == _general(name, Language.EN) else f"{general}（{specific}）"


def language_of(accepted: str) -> Language:
    """Return the language that an `Accept-Language` header asks for first, among those we speak; English otherwise.

    `zh` stands for every kind of Chinese; what cannot be read is overlooked.
    """
    best, chosen = 0.0, Language.EN
    for each in accepted.split(",")[:_RANGES_MAX]:
        range_, *parameters = each.split(";")
        name = range_.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if name in _NAMES and quality > best:
            best, chosen = quality, Language(name)
    return chosen


def raises(*names: str) -> Callable[[T], T]:
    """Say of a route, or of what routes depend on, which problems it can end in, so that the OpenAPI document has them."""

    def marked(of: T) -> T:
        of.problems = frozenset(names)  # type: ignore[attr-defined] # functions and classes have room for it
        return of

    return marked


def raised_by(call: object) -> frozenset[str]:
    """Return which problems *call* was said to end in."""
    found: frozenset[str] = getattr(call, "problems", frozenset())
    return found


_RANGES_MAX = 50  # of a header; nobody speaks more languages
_NAMES = frozenset(Language)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            return float(value) if value.isascii() and value.replace(".", "", 1).isdecimal() else 0.0
    return 1.0


def _general(name: str, language: Language) -> str | None:
    if name in codes():
        return codes()[name].said[language].meaning
    return faults()[name][language] if name in faults() else None


@cache
def _written() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "problems.toml").read_text(encoding="utf-8"))
