"""A small world to ask about: events taken by the real stitcher."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Engine, text

from api.webhooks.sending import Secrets, Sender
from core import keys
from core.clock import system_clock
from core.database import metadata, transaction
from core.directive import Directive, EventName, Kind
from core.event import Event, Strength, Trust
from core.identifier import BlindIndex, IdentifierId, PersonId
from core.identifier import parse as identifier
from core.keys import Key, Scope
from core.outbound import Allowed
from core.submission import parse
from profiles import people
from stitcher import rules
from stitcher.carrying_out import carry_out
from stitcher.stitch import stitch

NOW = datetime(2026, 11, 20, tzinfo=UTC)
INDEX = BlindIndex(b"k" * 32)
RULES = rules.shipped()


SENDER = Sender(Secrets(b"of the tests", system_clock), Allowed.read("127.0.0.1"))


@dataclass
class World:
    """Events happen to it, and the stitcher takes each at once."""

    engine: Engine
    numbers: "count[int]" = field(default_factory=count)

    def event(self, *identifiers: object, minute: float = 0, **fields: Any) -> Event:
        """Return a proven event *minute* minutes after the beginning of the day, of a trusted source unless it says so."""
        trust = fields.pop("trust", Trust.SERVER)
        written = {
            "id": f"e{next(self.numbers)}",
            "type": "page.viewed",
            "channel": "web",
            "strength": "proven",
            "occurred_at": (NOW - timedelta(days=1) + timedelta(minutes=minute)).isoformat(),
            "identifiers": list(identifiers),
            **fields,
        }
        return parse(
            written,
            source="shop",
            trust=trust,
            strength=Strength.OBSERVED,
            received_at=NOW,
            namespaces=RULES.namespaces,
        )

    def happens(self, *identifiers: object, **fields: Any) -> Event:
        """Let one event happen."""
        event = self.event(*identifiers, **fields)
        self.take([event])
        return event

    def tell(self, document: Mapping[str, object], key: Key) -> Event:
        """Let happen what somebody says in the name of *key*."""
        event = parse(
            document,
            source=key.source,
            trust=key.trust,
            strength=Strength.OBSERVED,
            received_at=NOW,
            namespaces=RULES.namespaces,
            declared=key.namespaces,
        )
        self.take([event])
        return event

    def opens(self, device: str, recipient: str, **fields: Any) -> Event:
        """Let a link that was delivered to *recipient* be opened on *device*."""
        namespace, _, value = recipient.partition(":")
        token = {"namespace": "link_token", "value": f"t-{recipient}", "role": "hint"}
        named = (device, token, {"namespace": namespace, "value": value, "role": "recipient"})
        return self.happens(*named, type="sms.clicked", channel="sms", **fields)

    def decide(self, kind: Kind, *written: str, event: Event | None = None, minute: float = 0) -> Directive:
        """Let somebody decide, *minute* minutes after now, and carry it out at once."""
        name = EventName(event.source, event.id) if event else None
        at = NOW + timedelta(minutes=minute)
        directive = Directive(kind, "tests", "because", at, tuple(map(identifier, written)), name)
        carry_out(self.engine, directive, RULES, INDEX, at)
        return directive

    def restore(self, taken_back: Directive) -> None:
        """Let somebody take a directive back, and carry that out at once."""
        at = taken_back.decided_at + timedelta(minutes=1)
        carry_out(
            self.engine, Directive(Kind.RETRACT, "tests", "a mistake", at, directive=taken_back.id), RULES, INDEX, at
        )

    def take(self, events: list[Event]) -> None:
        """Stitch *events* in one batch."""
        with transaction(self.engine) as connection:
            stitch(connection, {event.uid: event for event in events}, RULES, INDEX, NOW)

    def clear(self) -> None:
        """Let nothing have happened."""
        with transaction(self.engine) as connection:
            connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))

    def people(self) -> list[PersonId]:
        """Return everybody there is, devices that are nobody's included."""
        with transaction(self.engine) as connection:
            rows = connection.execute(text("SELECT DISTINCT person_id::text FROM identifier"))
            return [PersonId(person) for person in rows.scalars()]

    def key(self, *scopes: Scope) -> str:
        """Make a key and return its secret."""
        with transaction(self.engine) as connection:
            return keys.create(connection, scopes, "console", Trust.SERVER, NOW)[0]

    def person(self, written: str) -> str:
        """Return the person whom the identifier *written* leads to (a device that is nobody's leads to itself)."""
        with transaction(self.engine) as connection:
            return people.survivor(connection, index(written))


def index(written: str) -> IdentifierId:
    """Return the id of the identifier *written*."""
    return INDEX(identifier(written))
