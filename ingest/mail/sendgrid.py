"""SendGrid's Event Webhook: an array of events, signed by ECDSA over the time and the body as it came."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import field_validator

from core.errors import Forbidden, InvalidEvent
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.mail import events
from ingest.mail.events import LINK_ARGUMENT, Told
from ingest.proof import check_fresh, instant, json_of, text

# It tries again for 24 hours, and whether it then signs the time anew is not documented.
STALE_MAX = timedelta(hours=25)

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

_KINDS = {
    "processed": "mail.sent",
    "delivered": "mail.delivered",
    "open": "mail.opened",
    "click": "mail.clicked",
    "bounce": "mail.bounced",
    "spamreport": "mail.complained",
    "unsubscribe": "mail.unsubscribed",
    "group_unsubscribe": "mail.unsubscribed",
    "group_resubscribe": "consent.given",
}
_ENVELOPE = frozenset(["email", "event", "timestamp", "sg_event_id", "ip", "useragent", LINK_ARGUMENT])
_ENVELOPE_TOO = frozenset(["sg_machine_open", "asm_group_id", "smtp-id"])


class SendGridAccount(Account):
    """An account at SendGrid: *public_key* is the verification key that its console shows, in base64."""

    provider: Literal["sendgrid"]
    public_key: str

    @field_validator("public_key")
    @classmethod
    def _is_key(cls, written: str) -> str:
        public_key_of(written)
        return written


@dataclass(frozen=True)
class SendGrid:
    """The protocol of the account called *name*."""

    name: str
    account: SendGridAccount

    answer = Answer()

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"mail:{self.name}"

    @cached_property
    def _key(self) -> ec.EllipticCurvePublicKey:
        return public_key_of(self.account.public_key)

    def proven(self, callback: Callback) -> bytes:
        """Return the body, which is signed to the last byte: its final line end too."""
        stamp = callback.headers.get(TIMESTAMP, "")
        check_fresh(stamp, callback.received_at, STALE_MAX)
        try:
            signature = base64.b64decode(callback.headers.get(SIGNATURE, ""), validate=True)
            self._key.verify(signature, stamp.encode() + callback.body, ec.ECDSA(SHA256()))
        except (binascii.Error, ValueError, InvalidSignature):
            raise Forbidden("the signature is not that of the account") from None
        return callback.body

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return the events of the array; an entry that is none is refused by itself, at the door."""
        entries = json_of(content)
        if not isinstance(entries, list):
            raise InvalidEvent("invalid_type", "the body is a JSON array")
        return [document for entry in entries for document in _documents(entry)]


def public_key_of(written: str) -> ec.EllipticCurvePublicKey:
    """Read a key as the console shows it. Raises `ValueError` where it is none."""
    key = load_der_public_key(base64.b64decode(written, validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the key is not one of an elliptic curve")
    return key


def _documents(entry: Any) -> Sequence[Document]:
    if not isinstance(entry, Mapping):
        return [entry]
    name = text(entry, "event")
    told = Told(
        name=name,
        kind=_KINDS.get(name, "track"),
        key=("sendgrid", text(entry, "sg_event_id") or str(sorted(entry.items(), key=str))),
        at=instant(entry.get("timestamp")),
        addresses=[text(entry, "email")],
        properties=_properties(entry, name),
        context={"ip": text(entry, "ip"), "user_agent": text(entry, "useragent")},
        link_token=text(entry, LINK_ARGUMENT),
    )
    return events.documents(told)


def _properties(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    own = {key: value for key, value in entry.items() if key not in _ENVELOPE | _ENVELOPE_TOO}
    if entry.get("sg_machine_open") is True:
        own["machine_open"] = True  # Apple fetched the picture, whoever read the mail or did not
    if name.startswith("group_") and "asm_group_id" in entry:
        own["group"] = entry["asm_group_id"]
    if name == "group_resubscribe":
        own |= {"purpose": events.PURPOSE, "channel": "mail"}
    return own
