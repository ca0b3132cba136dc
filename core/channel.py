"""Channels as data: what each may carry, report and vouch for. Declared, not programmed; nothing here reads or writes.

A channel that is not declared is taken as it comes. What a declaration takes away it takes away at the door and for good:
the event stands in the log as it was judged, so that a replay judges nobody again.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from types import MappingProxyType
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from core.errors import InvalidEvent
from core.event import Dropped, Event, Mention, Role, Trust, Type, Word
from core.identifier import Drop, Namespace

# Of these, every channel may report: they say who somebody is, or what he wants, not what he did there.
EVERYWHERE = frozenset({"identify", "track", "consent.given", "consent.withdrawn", "person.tagged"})

_TRUSTED = (Trust.BROWSER, Trust.IMPORT, Trust.SERVER)  # the least first


@dataclass(frozen=True, slots=True)
class Channel:
    """What is declared of one channel; what is left out is not restricted.

    *namespaces* are of the identifiers that it carries; *types* the events that it reports, beside those of `EVERYWHERE`;
    *trust* is how far its events are believed at most, whatever the key; *purpose* is for what somebody who consents
    to it may be addressed; *labels* are what people call it, by language.
    """

    namespaces: frozenset[Word] | None = None
    types: frozenset[Type] | None = None
    trust: Trust | None = None
    purpose: Word | None = None
    labels: Mapping[Literal["zh", "en"], str] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")

    def over(self, other: "Channel") -> "Channel":
        """Return *other* with everything replaced that this one says."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        stated = {name: value for name, value in said.items() if value is not None}
        return replace(other, **stated | {"labels": {**other.labels, **self.labels}})

    def reports(self, event_type: str) -> bool:
        """Whether an event of this type may come from it."""
        return self.types is None or event_type in self.types or event_type in EVERYWHERE

    def carries(self, namespace: str) -> bool:
        """Whether an identifier of this namespace means somebody there."""
        return self.namespaces is None or namespace in self.namespaces


@dataclass(frozen=True, slots=True)
class Judged:
    """An *event* as its channel lets it pass, and the namespaces of identifiers that it does not carry."""

    event: Event
    not_carried: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Declarations:
    """All channels that are declared, by name."""

    by_name: Mapping[str, Channel] = field(default_factory=lambda: MappingProxyType({}))

    def extended(self, own: Mapping[str, Channel]) -> "Declarations":
        """Return these with an installation's *own*, each of which replaces what it says of a channel of the same name."""
        said = {name: channel.over(self.by_name.get(name, Channel())) for name, channel in own.items()}
        return Declarations({**self.by_name, **said})

    def judge(self, event: Event, namespaces: Mapping[str, Namespace]) -> Judged:
        """Say what becomes of *event* on its channel.

        An identifier that the channel does not carry stays in the event as a hint, which links nothing and nobody stands
        under; what is a hint anyway (*namespaces* knows) is dropped. Raises `InvalidEvent` for a type that it does not report.
        """
        channel = self.by_name.get(event.channel)
        if channel is None:
            return Judged(event)
        if not channel.reports(event.type):
            raise InvalidEvent("undeclared_type", "the channel is declared without events of this type", "/type")
        foreign = [m.namespace for m in event.identifiers if not channel.carries(m.namespace)]
        trust = min(event.trust, channel.trust or event.trust, key=_TRUSTED.index)
        if not foreign and trust is event.trust:
            return Judged(event)
        kept = [_kept(m, channel, namespaces) for m in event.identifiers]
        return Judged(
            replace(
                event,
                trust=trust,
                identifiers=tuple(dict.fromkeys(each for each in kept if isinstance(each, Mention))),
                dropped=(*event.dropped, *(each for each in kept if isinstance(each, Dropped))),
            ),
            foreign,
        )


def _kept(mention: Mention, channel: Channel, namespaces: Mapping[str, Namespace]) -> Mention | Dropped:
    if channel.carries(mention.namespace):
        return mention
    known = namespaces.get(mention.namespace)
    if (
        known is not None and known.kind == "hint"
    ):  # an opening is told by a hint, so that staying one would mean something
        return Dropped(mention.namespace, Drop.UNDECLARED)
    return replace(mention, role=Role.HINT)


UNDECLARED = Declarations()


def shipped() -> Declarations:
    """Return the channels that Siyu ships with."""
    written = resources.files("core").joinpath("channels.toml").read_text(encoding="utf-8")
    return Declarations(_DECLARED.validate_python(tomllib.loads(written)))


_DECLARED: TypeAdapter[dict[Word, Channel]] = TypeAdapter(dict[Word, Channel])
