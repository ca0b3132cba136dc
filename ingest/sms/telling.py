"""What is the same whoever sends the text: a report and a reply, as events, and the times of China."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from core.clock import CHINA
from core.errors import InvalidEvent
from ingest.callback import Document
from ingest.optout import Wish, wish
from ingest.proof import json_of

REPORTS_MAX = 500  # Tencent sends 100 at most and Aliyun does not say
PURPOSE = "marketing"


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that a provider tells of the text to or from *phone*.

    *id* is made of what the provider repeats when it tells it again; *is_proven* says whether it signed what it told.
    """

    id: str
    phone: str
    occurred_at: datetime
    is_proven: bool

    def report(self, kind: str, properties: Mapping[str, Any]) -> Document:
        """Return the event of type *kind* that befell the text to the phone: nobody acted, so he is its recipient."""
        return self._event(kind, self.id, "recipient", properties)

    def other(self, name: str, properties: Mapping[str, Any]) -> Document:
        """Return what has no type of its own, under the *name* that the provider gives it."""
        return self.report("track", {"event": name, **properties})

    def reply(self, text: str, properties: Mapping[str, Any], wanted: Wish | None = None) -> list[Document]:
        """Return the events that a reply is. An opt-out is nothing but that: not even a reply, which somebody could answer.

        *wanted* is what the provider itself took it for. That somebody may be written to again is believed only where it
        is proven; that he may not, always.
        """
        wanted = wanted or wish(text)
        if wanted is Wish.OUT:
            opted_out = self._event("sms.opted_out", f"{self.id}/opted_out", "subject", properties)
            return [opted_out, self._consent("consent.withdrawn", properties)]
        said = {**properties, "text": text}
        if wanted is Wish.UNCLEAR:
            said["needs_review"] = True
        replied = self._event("sms.replied", self.id, "subject", said)
        if wanted is Wish.IN and self.is_proven:
            return [replied, self._consent("consent.given", properties)]
        return [replied]

    def _consent(self, kind: str, properties: Mapping[str, Any]) -> Document:
        stated = {"purpose": PURPOSE, "channel": "sms", "reason": "replied", **properties}
        return self._event(kind, f"{self.id}/consent", "subject", stated)

    def _event(self, kind: str, event_id: str, role: str, properties: Mapping[str, Any]) -> Document:
        return {
            "type": kind,
            "channel": "sms",
            "id": event_id,
            "occurred_at": self.occurred_at.isoformat(),
            "identifiers": [{"namespace": "phone", "value": self.phone, "role": role}] if self.phone else [],
            "properties": {name: value for name, value in properties.items() if value not in (None, "")},
            "context": {"verified": self.is_proven},
        }


def items(content: bytes) -> Sequence[Any]:
    """Return what *content*, a JSON list or one object, has; raises `InvalidEvent` for anything else, and for too many."""
    told = json_of(content)
    if not isinstance(told, list | dict):
        raise InvalidEvent("invalid_type", "the body is a JSON list or object")
    many = told if isinstance(told, list) else [told]
    if len(many) > REPORTS_MAX:
        raise InvalidEvent("too_many_events", f"a request has at most {REPORTS_MAX} reports")
    return many


def opt_outs_first(documents: Sequence[Document]) -> Sequence[Document]:
    """Return *documents* with those that end a consent before all others."""
    return sorted(documents, key=lambda document: not _ends_consent(document))


def _ends_consent(document: object) -> bool:
    return isinstance(document, dict) and document.get("type") in ("sms.opted_out", "consent.withdrawn")


def digest(*parts: object) -> str:
    """Return an id made of *parts* that shows none of them."""
    return hashlib.sha256(orjson.dumps([str(part) for part in parts])).hexdigest()[:40]


def text_of(item: Mapping[str, Any], name: str) -> str:
    """Return what *item* has under *name* as text, empty where it has nothing or something that is no word."""
    value = item.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def moment(written: str, otherwise: datetime) -> datetime:
    """Return the time *written* as China writes it, without a zone, as e-mail does, or in seconds since 1970.

    Where it is none of these, the provider said no time that could be understood, and it is *otherwise*.
    """
    try:
        if written.isdecimal():
            return datetime.fromtimestamp(int(written), UTC)
        read = datetime.fromisoformat(written) if written[:1].isdecimal() else parsedate_to_datetime(written)
        return read if read.tzinfo else read.replace(tzinfo=CHINA)
    except (ValueError, OverflowError, OSError):
        return otherwise
