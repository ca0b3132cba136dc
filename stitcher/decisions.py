"""What the directives in force say: which events and links are void, who is one person or never is, who is nobody. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.directive import Directive, Kind
from core.event import Event, EventUid
from core.identifier import BlindIndex, IdentifierId

Pair = tuple[IdentifierId, IdentifierId]
"""Two identifiers, the lesser first."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Directives in force, by what they are about.

    *events* are void; of the *sources* and *links* named is void what was received until then. *must* and *cannot* are pairs that
    are, or never are, one person's: of two directives about one pair the later counts. *blocked* identifiers name nobody.
    """

    events: frozenset[EventUid] = frozenset()
    sources: Mapping[str, datetime] = field(default_factory=dict)
    links: Mapping[Pair, datetime] = field(default_factory=dict)
    must: frozenset[Pair] = frozenset()
    cannot: frozenset[Pair] = frozenset()
    blocked: frozenset[IdentifierId] = frozenset()

    def is_void(self, event: Event, uid: EventUid) -> bool:
        """Whether *event* is to be as if it had never come."""
        if uid in self.events:
            return True
        until = self.sources.get(event.source) if self.sources else None
        return until is not None and event.received_at <= until

    def is_void_link(self, ends: Pair, received_at: datetime) -> bool:
        """Whether what was received at *received_at* does not count for the link between *ends*."""
        until = self.links.get(ends) if self.links else None
        return until is not None and received_at <= until

    def between(self, ids: Iterable[IdentifierId]) -> "Decisions":
        """Return the part that is about identifiers all of which are among *ids*."""
        known = ids if isinstance(ids, set | frozenset | dict) else set(ids)
        return Decisions(
            self.events,
            self.sources,
            self.links,
            frozenset(ends for ends in self.must if ends[0] in known and ends[1] in known),
            frozenset(ends for ends in self.cannot if ends[0] in known and ends[1] in known),
            frozenset(i for i in self.blocked if i in known),
        )


NONE = Decisions()


def decisions(in_force: Iterable[Directive], index: BlindIndex) -> Decisions:
    """Return what directives, all of them *in_force*, say together; their order does not matter."""
    events: set[EventUid] = set()
    sources: dict[str, datetime] = {}
    links: dict[Pair, datetime] = {}
    stances: dict[Pair, Kind] = {}
    blocked: set[IdentifierId] = set()
    for directive in sorted(in_force, key=lambda each: (each.decided_at, each.id)):
        match directive:
            case Directive(kind=Kind.BLOCK):
                blocked.update(directive.ends(index))
            case Directive(kind=Kind.MUST_LINK | Kind.CANNOT_LINK):
                one, other = directive.ends(index)
                stances[one, other] = directive.kind
            case Directive(event=event) if event is not None:
                events.add(event.uid)
            case Directive(source=source) if source is not None:
                sources[source] = directive.decided_at
            case Directive(directive=None):
                one, other = directive.ends(index)
                links[one, other] = directive.decided_at
    return Decisions(
        frozenset(events),
        sources,
        links,
        frozenset(ends for ends, kind in stances.items() if kind is Kind.MUST_LINK),
        frozenset(ends for ends, kind in stances.items() if kind is Kind.CANNOT_LINK),
        frozenset(blocked),
    )
