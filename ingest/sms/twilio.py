"""Twilio: the stations of a text on its way, and what comes in. Signed over the public URL and every field of the form."""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from core.errors import Forbidden, InvalidEvent
from ingest.callback import Accounted, Answer, Callback, Document
from ingest.optout import Wish
from ingest.sms.account import SmsAccount
from ingest.sms.telling import Telling, digest, items

ANSWER = Answer(b"<Response/>", "text/xml")  # TwiML that says nothing: no reply goes out
FIELDS_MAX = 1_000

Form = Sequence[tuple[str, str]]

_TYPES = {"sent": "sms.sent", "delivered": "sms.delivered", "undelivered": "sms.failed", "failed": "sms.failed"}
_WISHES = {"STOP": Wish.OUT, "START": Wish.IN, "HELP": Wish.NONE}
# The token signs by SHA-1; a shared key, which a newer header announces, by SHA-256.
_HASHES: Mapping[str, Callable[[], Any]] = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


@dataclass(frozen=True)
class Twilio(Accounted[SmsAccount]):
    """One account. Its reports come in any order, and again only where the address asks for that (`#rc=3`)."""

    family = "sms"
    answer = ANSWER

    def proven(self, callback: Callback) -> bytes:
        """Return the body where the signature is right for the public URL, with or without the port."""
        signature = callback.headers.get("x-twilio-signature", "")
        form = () if _is_hashed(callback) else _form(callback.body)
        for url in _spellings(callback.url):
            expected = signed(self.account.auth_token, url, form, _algorithm(callback.headers))
            if hmac.compare_digest(expected.encode(), signature.encode()):
                return callback.body
        raise Forbidden("the signature of Twilio is missing or wrong")

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the event of a form, or the events of a JSON body, which is signed by its hash in the URL."""
        if _is_hashed(callback):
            return [_streamed(item, callback.received_at) for item in items(content)]
        return _told(dict(_form(content)), callback.received_at)


def signed(auth_token: str, url: str, form: Form, algorithm: str = "HMAC_SHA1") -> str:
    """Return Twilio's signature over *url* and all fields of *form*, whatever they are: new ones may appear any day."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(form)))
    return b64encode(hmac.digest(auth_token.encode(), text.encode(), _HASHES[algorithm])).decode()


def _algorithm(headers: Mapping[str, str]) -> str:
    said = dict(part.strip().partition("=")[::2] for part in headers.get(_SETTINGS, "").split(","))
    algorithm = said.get("algorithm", "").upper() or "HMAC_SHA1"
    if algorithm not in _HASHES:
        raise Forbidden("Twilio signs in a way that is not known here")
    return algorithm


def _is_hashed(callback: Callback) -> bool:
    """Whether the URL has the hash of the body, which is then JSON and signed by that. Raises `Forbidden` if it is another's."""
    said = callback.query.get("bodySHA256")
    if said is None:
        return False
    if not hmac.compare_digest(hashlib.sha256(callback.body).hexdigest().encode(), said.encode()):
        raise Forbidden("the body is not the one that Twilio signed")
    return True


def _spellings(url: str) -> Sequence[str]:
    """*url* as configured, with the usual port, and without: Twilio signs sometimes one, sometimes the other."""
    scheme, host, port, rest = _URL.fullmatch(url).groups(default="")  # type: ignore[union-attr] # every URL is one
    usual = "443" if scheme == "https" else "80"
    return tuple(dict.fromkeys([url, f"{scheme}://{host}{rest}", f"{scheme}://{host}:{port or usual}{rest}"]))


def _form(content: bytes) -> Form:
    try:
        return parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise InvalidEvent("invalid_form", f"the body is a form in UTF-8 of at most {FIELDS_MAX} fields") from None


def _told(form: Mapping[str, str], received_at: datetime) -> list[Document]:
    """No time of Twilio's is taken: it says one for few reports, to the minute, and without the zone."""
    sid = form.get("MessageSid") or form.get("SmsSid") or digest(*sorted(form.items()))
    status = form.get("MessageStatus") or form.get("SmsStatus") or "received"
    event_id = f"{sid}/{status}"
    if status in ("receiving", "received"):
        telling = Telling(event_id, form.get("From", ""), received_at, is_proven=True)
        said = {"message_id": sid, "number": form.get("To")}
        return telling.reply(form.get("Body", ""), said, _WISHES.get(form.get("OptOutType", "").upper()))
    telling = Telling(event_id, form.get("To", ""), received_at, is_proven=True)
    said = {"message_id": sid, "err_code": form.get("ErrorCode"), "number": form.get("From")}
    kind = _TYPES.get(status)
    return [telling.report(kind, said) if kind else telling.other(status, said)]


def _streamed(item: Any, received_at: datetime) -> Document:
    """An event of a stream (CloudEvents): kept under its own name, since it repeats what the forms have told."""
    if not isinstance(item, dict):
        return item  # type: ignore[no-any-return] # is refused as what it is, and kept
    event_id = digest(item.get("id") or orjson.dumps(item, option=orjson.OPT_SORT_KEYS))
    return Telling(event_id, "", received_at, is_proven=True).other(str(item.get("type", "twilio")), {"said": item})


_SETTINGS = "x-twilio-webhooks-signature-settings"
_URL = re.compile(r"(\w+)://([^/?#:]+|\[[^\]]*\])(?::(\d+))?(.*)", re.DOTALL)
