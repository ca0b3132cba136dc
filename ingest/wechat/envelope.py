"""The envelope of a callback of WeChat or WeCom: its time, its signature, what is sealed in it. No input, no output."""

from datetime import timedelta

from core.errors import Forbidden, InvalidEvent
from ingest.callback import Callback
from ingest.proof import check_fresh, text
from ingest.wechat import markup
from ingest.wechat.crypto import is_signed

# A callback that is tried again bears the time of the first try: those of shops come for 3.6 hours. What is replayed within
# that time is the same event.
STALE_MAX = timedelta(hours=4)


def check(callback: Callback, token: str, parameter: str, *signed: str) -> None:
    """Raise `Forbidden` unless *callback* is of now and signed: *parameter* has the signature, by *token*, also of *signed*."""
    query = callback.query
    check_fresh(query.get("timestamp", ""), callback.received_at, STALE_MAX)
    if not is_signed(query.get(parameter, ""), token, query.get("timestamp", ""), query.get("nonce", ""), *signed):
        raise Forbidden("the signature is not that of the account")


def sealed(body: bytes) -> str:
    """Return what is encrypted in *body*. Raises `Forbidden` where nothing can be."""
    try:
        return text(markup.fields(body), "Encrypt")
    except InvalidEvent:
        raise Forbidden("the callback is not encrypted") from None
