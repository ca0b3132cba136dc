"""What a sender wrote becomes an event, and the record by which the log keeps it. Nothing here reads or writes."""

from collections.abc import Mapping

from core import cloudevents
from core.channel import UNDECLARED, Declarations
from core.clock import Clock
from core.errors import InvalidEvent
from core.event import EVENT_BYTES_MAX, Event, Strength, Trust, best_mention, encode
from core.identifier import BlindIndex, Namespace
from core.keys import Key
from core.log.port import EVENTS, Record
from core.metrics import EVENTS_REJECTED, IDENTIFIERS_DROPPED, IDENTIFIERS_NOT_CARRIED
from core.submission import parse


class Receiver:
    """The door: whatever comes in, by HTTP or from a file, comes through here.

    *defaults* has, by the trust of a key, what an event claims that says nothing of strength; *channels* what is declared
    of where events come from.
    """

    def __init__(
        self,
        namespaces: Mapping[str, Namespace],
        defaults: Mapping[Trust, Strength],
        index: BlindIndex,
        clock: Clock,
        channels: Declarations = UNDECLARED,
    ) -> None:
        self.namespaces = namespaces
        self._defaults = defaults
        self._index = index
        self._clock = clock
        self._channels = channels

    def receive(self, document: object, key: Key) -> tuple[Event, Record]:
        """Return the event that *document* (JSON, or what was read from it) tells in the name of *key*, and its record.

        Raises `InvalidEvent`, and nothing else, for whatever cannot be an event.
        """
        try:
            judged = self._channels.judge(self._event(document, key), self.namespaces)
            event = judged.event
            record = self._record(event)
        except InvalidEvent as error:
            EVENTS_REJECTED.labels(error.code).inc()
            raise
        for dropped in event.dropped:
            IDENTIFIERS_DROPPED.labels(self._counted(dropped.namespace), dropped.reason).inc()
        for namespace in judged.not_carried:
            IDENTIFIERS_NOT_CARRIED.labels(event.channel, self._counted(namespace)).inc()
        return event, record

    def _counted(self, namespace: str) -> str:
        return (
            namespace if namespace in self.namespaces else "other"
        )  # whoever sends could else make labels without end

    def _event(self, document: object, key: Key) -> Event:
        if not isinstance(document, bytes | Mapping):
            raise InvalidEvent("invalid_type", "an event is a JSON object")
        return parse(
            document,
            source=key.source,
            trust=key.trust,
            strength=self._defaults[key.trust],
            received_at=self._clock(),
            namespaces=self.namespaces,
            declared=key.namespaces,
        )

    def _record(self, event: Event) -> Record:
        value = encode(event)
        if len(value) > EVENT_BYTES_MAX:
            raise InvalidEvent("too_large", f"an event has at most {EVENT_BYTES_MAX} bytes")
        best = best_mention(event, self.namespaces)
        uid = event.uid
        key = self._index(best.identifier) if best else uid
        # No header names a person to those who have not the key of the blind index.
        headers = cloudevents.attributes(uid, EVENTS, event.occurred_at, key, cloudevents.sender(event.source))
        return Record(key, value, headers)
