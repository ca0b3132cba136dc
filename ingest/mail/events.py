"""What providers of mail tell, as events: each in its own words, all in the same shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.callback import Document
from ingest.proof import made_of, said

LINK_ARGUMENT = "siyu_link"  # the name under which a sender passes the token of his link through the provider
PURPOSE = "marketing"

# What somebody did himself, and wants no more mail. Whatever else is told may be the act of whoever holds the mail.
_WITHDRAWALS = {"mail.unsubscribed": "unsubscribed", "mail.complained": "complained"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider tells of one mail: *kind* is our type of what it calls *name*, `track` where we have none.

    *key* is what it repeats when it sends again; *at* is empty where it tells no time that can be read.
    """

    name: str
    kind: str
    key: tuple[str, ...]
    at: str
    addresses: Sequence[str]
    properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    link_token: str = ""


def documents(told: Told) -> Sequence[Document]:
    """Return the events of *told*: what happened, and the consent that somebody withdrew by it."""
    event = _event(told, told.kind, told.properties)
    reason = _WITHDRAWALS.get(told.kind)
    if reason is None:
        return [event]
    withdrawn = {"purpose": PURPOSE, "channel": "mail", "reason": reason, **_group(told.properties)}
    return [event, _event(told, "consent.withdrawn", withdrawn)]


def _event(told: Told, kind: str, properties: Mapping[str, Any]) -> Document:
    named = {"event": told.name} if kind == "track" else {}
    role = "subject" if kind in _WITHDRAWALS or kind.startswith("consent.") else "recipient"
    document: Document = {
        "id": made_of(*told.key, kind),
        "type": kind,
        "channel": "mail",
        "identifiers": [{"namespace": "email", "value": address, "role": role} for address in told.addresses],
        "strength": "platform",
        "properties": said({**properties, **named}),
        "context": said(told.context),
    }
    if told.at:
        document["occurred_at"] = told.at
    if told.link_token:
        document["identifiers"].append({"namespace": "link_token", "value": told.link_token, "role": "hint"})
    return document


def _group(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who leaves one list of several has not left the others."""
    return {"group": properties["group"]} if "group" in properties else {}
