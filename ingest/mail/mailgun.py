"""Mailgun's webhooks: a signature over a time and a random token, but not over what is told.

Who has seen one request could therefore tell anything under its token. Against that a token that came is remembered, and
is good only for the body that it came with.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from core.errors import Forbidden, InvalidEvent
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.mail import events
from ingest.mail.events import LINK_ARGUMENT, Told
from ingest.proof import check_fresh, instant, is_same, json_object, part, text

STALE_MAX = timedelta(hours=9)  # it tries again for eight hours
TOKENS_MAX = 100_000  # remembered; the oldest is then forgotten

_KINDS = {
    "accepted": "mail.sent",
    "delivered": "mail.delivered",
    "opened": "mail.opened",
    "clicked": "mail.clicked",
    "unsubscribed": "mail.unsubscribed",
    "complained": "mail.complained",
}


class MailgunAccount(Account):
    """An account at Mailgun: *signing_key* is its HTTP webhook signing key."""

    provider: Literal["mailgun"]
    signing_key: Annotated[str, Field(min_length=8)]


@dataclass(frozen=True)
class Mailgun:
    """The protocol of the account called *name*. It remembers, in this process, which token came with which body."""

    name: str
    account: MailgunAccount
    _bodies: OrderedDict[str, bytes] = field(default_factory=OrderedDict)

    answer = Answer()

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"mail:{self.name}"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, whose token is signed and never came with another one."""
        try:
            signed = part(json_object(callback.body), "signature")
        except InvalidEvent:
            raise Forbidden("the body is not signed") from None
        stamp, token = text(signed, "timestamp"), text(signed, "token")
        if not is_same(text(signed, "signature"), signature(self.account.signing_key, stamp, token)):
            raise Forbidden("the signature is not that of the account")
        check_fresh(stamp, callback.received_at, STALE_MAX)
        self._check_spent(token, hashlib.sha256(callback.body).digest())
        return callback.body

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return what happened to one mail."""
        told = part(json_object(content), "event-data")
        if not told:
            raise InvalidEvent("missing", "there is no event", "/event-data")
        return events.documents(_told(told))

    def _check_spent(self, token: str, body: bytes) -> None:
        if self._bodies.setdefault(token, body) != body:
            raise Forbidden("this token came with something else")
        if len(self._bodies) > TOKENS_MAX:
            self._bodies.popitem(last=False)


def signature(signing_key: str, stamp: str, token: str) -> str:
    """Return the signature of a request, which covers nothing but its time and its token."""
    return hmac.new(signing_key.encode(), (stamp + token).encode(), "sha256").hexdigest()


def _told(told: Mapping[str, Any]) -> Told:
    name = text(told, "event")
    return Told(
        name=name,
        kind=_kind(told, name),
        key=("mailgun", text(told, "id"), name, text(told, "timestamp")),
        at=instant(told.get("timestamp")),
        addresses=[text(told, "recipient")],
        properties=_properties(told),
        context={"ip": text(told, "ip"), "user_agent": text(part(told, "client-info"), "user-agent")},
        link_token=text(part(told, "user-variables"), LINK_ARGUMENT),
    )


def _kind(told: Mapping[str, Any], name: str) -> str:
    if name == "failed":  # what failed for a time is tried again, and may still arrive
        return "mail.bounced" if text(told, "severity") == "permanent" else "track"
    return _KINDS.get(name, "track")


def _properties(told: Mapping[str, Any]) -> Mapping[str, Any]:
    own = {name: told.get(name) for name in ("severity", "reason", "url", "tags", "campaigns")}
    own["message_id"] = text(part(told, "message", "headers"), "message-id")
    own |= {name: value for name, value in part(told, "user-variables").items() if name != LINK_ARGUMENT}
    if part(told, "client-info").get("bot"):
        own["machine_open"] = True
    return own
