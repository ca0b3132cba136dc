"""What a page shows to WeChat's JS-SDK so that it may set what is shared. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """When, and with which number used once, a page is signed."""

    nonce: str
    timestamp: int


def signature(ticket: str, moment: Moment, url: str) -> str:
    """Return the signature of the page at *url*, by the ticket of its account; what follows `#` is not signed."""
    page = url.partition("#")[0]
    signed = f"jsapi_ticket={ticket}&noncestr={moment.nonce}&timestamp={moment.timestamp}&url={page}"
    return hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()  # WeChat's protocol


def configuration(app_id: str, ticket: str, moment: Moment, url: str) -> Mapping[str, str | int]:
    """Return what `wx.config` wants to know, in its words."""
    return {
        "appId": app_id,
        "timestamp": moment.timestamp,
        "nonceStr": moment.nonce,
        "signature": signature(ticket, moment, url),
    }
