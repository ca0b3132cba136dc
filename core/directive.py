"""The directive: a person's decision about identities, stored and replayed like an event. The language of `siyu.directives.v1`.

A directive says who decided, and why. It stands until another one takes it back, and neither its place in the log nor that of
the events that it is about matters: one that comes before the bad event holds all the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import orjson
from pydantic import AwareDatetime, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from core.errors import InvalidEvent
from core.event import EventUid, Key, first_fault, uid_of
from core.identifier import BlindIndex, Identifier, IdentifierId, uuid8
from core.identifier import parse as parse_identifier

WHY_LENGTH_MAX = 1_000
WRITTEN_LENGTH_MAX = 1_300


class Kind(StrEnum):
    """What a directive does."""

    MUST_LINK = "must_link"
    CANNOT_LINK = "cannot_link"
    RETRACT = "retract"
    BLOCK = "block"


_STRICT = ConfigDict(extra="forbid")
Words = Annotated[str, StringConstraints(min_length=1, max_length=WHY_LENGTH_MAX, strip_whitespace=True)]
Written = Annotated[str, StringConstraints(max_length=WRITTEN_LENGTH_MAX)]
DirectiveId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True)
class EventName:
    """By what an event is told from all others."""

    source: Key
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    __pydantic_config__ = _STRICT

    @property
    def uid(self) -> EventUid:
        """The uid of the event."""
        return uid_of(self.source, self.id)


@dataclass(frozen=True, slots=True)
class Directive:
    """A decision about identities, made by *by* at *decided_at*, because of *why*.

    * `must_link`: the two *identifiers* are one person's, whatever else is known.
    * `cannot_link`: they never are.
    * `block`: the one of *identifiers* names nobody; it links nothing.
    * `retract`: as if never: an *event*; what was received by then of a *source*, or of the link between two *identifiers*; or
      a former *directive*.
    """

    kind: Kind
    by: Words
    why: Words
    decided_at: AwareDatetime
    identifiers: tuple[Identifier, ...] = ()
    event: EventName | None = None
    source: Key | None = None
    directive: DirectiveId | None = None
    id: DirectiveId = field(default="")
    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise ValueError(fault)
        if not self.id:
            object.__setattr__(self, "id", _made_of(self))

    def ends(self, index: BlindIndex) -> tuple[IdentifierId, ...]:
        """Return the ids of its identifiers, the lesser first."""
        return tuple(sorted(index(identifier) for identifier in self.identifiers))

    def subjects(self, index: BlindIndex) -> Sequence[str]:
        """Return the UUIDs of all that it is about: by them it is found when one of them turns up."""
        if self.event:
            return [self.event.uid]
        if self.source:
            return [source_uid(self.source)]
        return [self.directive] if self.directive else self.ends(index)


def source_uid(source: str) -> str:
    """Return the UUID by which directives about a whole source are found."""
    return uuid8(hashlib.sha256(f"source\0{source}".encode()).digest())


@dataclass(frozen=True, slots=True)
class Wish:
    """A directive as somebody writes it; identifiers are written `namespace[@scope]:value`."""

    kind: Kind
    why: Words
    identifiers: tuple[Written, ...] = ()
    event: EventName | None = None
    source: Key | None = None
    directive: DirectiveId | None = None
    __pydantic_config__ = _STRICT


def directive_of(wish: Wish, by: str, decided_at: datetime) -> Directive:
    """Return the directive that *by* wishes. Raises `InvalidEvent`, with a pointer, where it is none, or none that whoever reads
    the log would take."""
    identifiers = tuple(_parsed(written, position) for position, written in enumerate(wish.identifiers))
    try:
        made = Directive(wish.kind, by, wish.why, decided_at, identifiers, wish.event, wish.source, wish.directive)
    except ValueError as error:
        raise InvalidEvent("invalid_directive", str(error)) from None
    return decode(encode(made))


def under_key(directive: Directive, key: str) -> Directive:
    """Return *directive* under the id that it gets where its sender calls it *key*.

    Whenever he sends the same under it again, it is the same one, and changes nothing; something else is another one.
    """
    said = encode(replace(directive, id=_NO_ID, decided_at=_NO_TIME))
    return replace(directive, id=uuid8(hashlib.sha256(f"key\0{key}\0".encode() + said).digest()))


def encode(directive: Directive) -> bytes:
    """Return the form of *directive* on the log: JSON, without what it does not say."""
    return _DIRECTIVE.dump_json(directive, exclude_none=True)


def decode(value: bytes | Mapping[str, object]) -> Directive:
    """Read what `encode` wrote. Raises `InvalidEvent` for anything else."""
    try:
        return _DIRECTIVE.validate_python(orjson.loads(value) if isinstance(value, bytes) else value)
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "this is not JSON in UTF-8") from None
    except ValidationError as error:
        raise first_fault(error) from None


def in_force(directives: Sequence[Directive]) -> list[Directive]:
    """Return those of *directives* that nothing takes back, the latest first.

    What takes another back must have been decided later, so no two can take back each other; and what is itself taken back
    takes nothing back.
    """
    standing: list[Directive] = []
    taken_back: set[str] = set()
    for directive in sorted(set(directives), key=lambda each: (each.decided_at, each.id), reverse=True):
        if directive.id not in taken_back:
            standing.append(directive)
            if directive.directive:
                taken_back.add(directive.directive)
    return standing


def _parsed(written: str, position: int) -> Identifier:
    try:
        return parse_identifier(written)
    except InvalidEvent as error:
        raise InvalidEvent(error.code, error.detail, f"/identifiers/{position}") from None


def _fault(directive: Directive) -> str | None:
    targets = [directive.event, directive.source, directive.directive]
    named = [target for target in targets if target is not None]
    many = len(directive.identifiers)
    if len(set(directive.identifiers)) != many:
        return "its identifiers are one and the same"
    match directive.kind:
        case Kind.MUST_LINK | Kind.CANNOT_LINK if many != 2 or named:
            return f"{directive.kind} names two identifiers, and nothing else"
        case Kind.BLOCK if many != 1 or named:
            return "block names one identifier, and nothing else"
        case Kind.RETRACT if len(named) + (many > 0) != 1 or many not in (0, 2):
            return "retract names one event, one source, one directive, or the two identifiers of a link"
        case _:
            return None


def _made_of(directive: Directive) -> str:
    """The id of a directive derives from all that it says, so that sending it again changes nothing."""
    said = _DIRECTIVE.dump_json(replace(directive, id=_NO_ID))
    return uuid8(hashlib.sha256(said).digest())


_NO_ID = "00000000-0000-0000-0000-000000000000"
_NO_TIME = datetime.fromtimestamp(0, UTC)
_DIRECTIVE: TypeAdapter[Directive] = TypeAdapter(Directive)
