"""What the proofs of several platforms are made of, and how what they prove is read. Nothing here reads or writes."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from core.errors import Forbidden, InvalidEvent

TEXT_LENGTH_MAX = 1_024


def is_same(given: str, expected: str) -> bool:
    """Whether two signatures are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def hmac_base64(key: bytes, content: bytes) -> str:
    """Return the HMAC-SHA256 of *content*, as shops and webhooks write it."""
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def check_signed(given: str, secret: str, body: bytes) -> None:
    """Raise `Forbidden` unless *given* is how a shop that shares *secret* signs *body*."""
    if not is_same(given, hmac_base64(secret.encode(), body)):
        raise Forbidden("the signature is not that of the account")


def check_fresh(stamp: str, now: datetime, stale_max: timedelta) -> None:
    """Raise `Forbidden` unless *stamp* (seconds since 1970, signed) is within *stale_max* of *now*."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise Forbidden("there is no timestamp")
    if abs(now.timestamp() - int(stamp)) > stale_max.total_seconds():
        raise Forbidden("the timestamp is too old, or the clocks differ")


def made_of(*parts: object) -> str:
    """Return the id of an event made of what its platform repeats: a hash, because some of it names a person."""
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="replace")).hexdigest()[:32]


def json_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object that *content* is. Raises `InvalidEvent` where it is none."""
    document = _loaded(content)
    if not isinstance(document, dict):
        raise InvalidEvent("invalid_type", "the body is a JSON object")
    return document


def json_of(content: bytes | str) -> Any:
    """Return what *content* says. Raises `InvalidEvent` where it is not JSON in UTF-8, and where no text could be made of it."""
    told = _loaded(content)
    try:
        orjson.dumps(told)  # which nests less deep than what reads, and than `str`
    except orjson.JSONEncodeError:
        raise InvalidEvent("too_deep", "the body is nested too deep") from None
    return told


def part(whole: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return the object to which *names* lead, an empty one where there is none."""
    for name in names:
        inner = whole.get(name)
        whole = inner if isinstance(inner, Mapping) else {}
    return whole


def parts(whole: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list called *name*."""
    listed = whole.get(name)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def text(whole: Mapping[str, Any], name: str) -> str:
    """Return what *whole* says under *name* as text, empty where it says nothing."""
    value = whole.get(name)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def instant(seconds: object) -> str:
    """Return the time that is *seconds* since 1970; empty where that is none, so that the event is refused at the door."""
    if not isinstance(seconds, str | int | float):
        return ""
    try:
        return datetime.fromtimestamp(float(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields* without those that say nothing; a text is cut so that no event grows too large by it."""
    return {
        name: value[:TEXT_LENGTH_MAX] if isinstance(value, str) else value
        for name, value in fields.items()
        if value not in (None, "", [], {})
    }


def _loaded(content: bytes | str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "the body is not JSON in UTF-8") from None
