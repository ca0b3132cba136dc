"""A tracked link: whom it was sent to, where it leads, and what it means that somebody opened it.

A link says to whom a message was sent, not who opened it: messages are passed on. So the addressee is the *recipient* of
what happens, and whoever opened it is known by what his browser says of itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from core.errors import InvalidEvent
from core.sealed import derived
from ingest.callback import Document
from ingest.tokens import Tokens

URL_LENGTH_MAX = 2_048
PURPOSE = "marketing"
CARRIER = "siyu"
"""The parameter by which the page that a link leads to learns by which one its reader came."""

_CLICKS = {"sms": "sms.clicked", "mail": "mail.clicked", "qr": "qr.scanned"}
_UNSUBSCRIPTIONS = {"sms": "sms.opted_out", "mail": "mail.unsubscribed"}


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it was minted; it never changes.

    *recipient* is an identifier as text, *sending* what all links of one message to one recipient have in common. A
    *honeypot* is a link that no human can see.
    """

    url: str
    channel: str
    campaign: str | None = None
    recipient: str | None = None
    sending: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    honeypot: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a link: when, by which event id it is told, by whose cookie, and what tells a robot."""

    at: datetime
    id: UUID
    visitor: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signs:
    """The tokens of one link: to follow it, to show that a mail was opened, and to hear no more. None is worth another."""

    follow: Tokens
    open: Tokens
    leave: Tokens

    @staticmethod
    def of(signing_key: bytes) -> "Signs":
        """Return the signs of an installation."""
        key = derived(signing_key, "links")
        return Signs(Tokens(key, b"lnk1"), Tokens(key, b"open"), Tokens(key, b"leav"))


def click_type(channel: str) -> str:
    """Return the type of the event that a link of *channel* was followed."""
    return _CLICKS.get(channel, "link.clicked")


def demand_target(url: str) -> str:
    """Return *url* where a link may lead to it. Raises `InvalidEvent`."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or len(url) > URL_LENGTH_MAX or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidEvent("invalid_url", "a link leads to an address that begins with https:// or http://", "/url")
    if parts.username is not None:
        raise InvalidEvent("invalid_url", "an address with a user name is none to lead people to", "/url")
    return url


def target(link: Link, token: str) -> str:
    """Return where *link* leads, with its *token* for the page to read; what else its address says stays as it is."""
    parts = urlsplit(link.url)
    query = f"{parts.query}&{CARRIER}={token}" if parts.query else f"{CARRIER}={token}"
    return urlunsplit(parts._replace(query=query))


def clicked(link: Link, token: str, visit: Visit) -> Document:
    """Return the event that somebody followed *link*."""
    honeypot = {"honeypot": True} if link.honeypot else {}
    return _event(click_type(link.channel), link, token, visit, honeypot)


def hinted(carried: str, tokens: Tokens) -> list[Document]:
    """Return the hint that *carried*, the scene of a code or a state, is where it is the token of a link: of *tokens*."""
    is_ours = tokens.read(carried) is not None
    return [{"namespace": "link_token", "value": carried, "role": "hint"}] if is_ours else []


def opened(link: Link, token: str, visit: Visit) -> Document:
    """Return the event that the mail of *link* was opened, or fetched by a machine."""
    return _event("mail.opened", link, token, visit, {})


def left(link: Link, token: str, visit: Visit) -> list[Document]:
    """Return the events that whoever has the message of *link* wants no more of them sent to its address.

    It is the address that is to be left alone, whoever asked: so here the recipient is the subject. A channel that has no
    event of its own for this tells the withdrawal alone.
    """
    withdrawn = {"purpose": PURPOSE, "channel": link.channel, "reason": "one_click"}
    named = {"identifiers": [{**_written(link.recipient), "role": "subject"}] if link.recipient else []}
    told = _event("consent.withdrawn", link, token, visit, withdrawn) | named | {"id": f"{visit.id}-withdrawn"}
    kind = _UNSUBSCRIPTIONS.get(link.channel)
    return [_event(kind, link, token, visit, {}) | named, told] if kind else [told]


def _event(kind: str, link: Link, token: str, visit: Visit, properties: Mapping[str, Any]) -> Document:
    named: list[Document] = [
        {"namespace": "link_token", "value": token, "role": "hint"},
        {"namespace": "anonymous_id", "scope": "links", "value": visit.visitor},
    ]
    if link.recipient:
        named.append({**_written(link.recipient), "role": "recipient"})
    event = {
        "id": str(visit.id),
        "type": kind,
        "channel": link.channel,
        "occurred_at": visit.at.isoformat(),
        "identifiers": named,
        "properties": {**link.properties, **properties} | ({"sending": link.sending} if link.sending else {}),
        "context": dict(visit.context),
    }
    return event | ({"campaign": {"id": link.campaign}} if link.campaign else {})


def _written(identifier: str) -> Document:
    slot, _, value = identifier.partition(":")
    namespace, _, scope = slot.partition("@")
    return {"namespace": namespace, "scope": scope, "value": value}
