"""A click on an ad, as the platform reports it: the query of a GET, read by the platform's table.

It attributes and never merges: its id is a hint, and a device is the weakest of identifiers. Nothing is ever fetched here:
the address for calling back is kept as text, and only where it leads to the platform itself.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from core.errors import Forbidden, InvalidEvent
from ingest.ads.account import AdAccount
from ingest.ads.platforms import PLATFORMS, AdPlatform
from ingest.callback import Accounted, Answer, Callback, Document
from ingest.landing import is_unreplaced

PARAMETERS_MAX = 100
_MILLISECONDS_FROM = 10**11  # as seconds, that would be the year 5138
_HASH = re.compile(r"[0-9A-Fa-f]{32}")
_MUIDS = {"ios": "idfa_md5", "android": "imei_md5"}


@dataclass(frozen=True)
class Clicks(Accounted[AdAccount]):
    """The clicks that one account's platform reports. It may report one more than once."""

    family = "ads"

    @property
    def platform(self) -> AdPlatform:
        """The table of the platform."""
        return PLATFORMS[self.account.platform]

    @property
    def answer(self) -> Answer:  # type: ignore[override] # each platform's own
        """What the platform wants to hear."""
        return self.platform.answer

    def proven(self, callback: Callback) -> bytes:
        """Return the query without the key, which is all that the sender proves himself by; raises `Forbidden` without it."""
        given = _pairs(callback.url)
        keys = [value for name, value in given if name == "key"]
        if not keys or not hmac.compare_digest(keys[0].encode(), self.account.secret.encode()):
            raise Forbidden("this is not the key of the account")
        return urlencode([(name, value) for name, value in given if name != "key"]).encode()

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the click, of which what the platform did not replace is not said."""
        given = dict(reversed(parse_qsl(content.decode())))
        said = {
            target: given[name].strip()
            for name, target in self.platform.parameters.items()
            if not is_unreplaced(given.get(name, "")) and given.get(name, "").strip()
        }
        return [self._clicked(said, content, callback.received_at)]

    def _clicked(self, said: Mapping[str, str], content: bytes, received_at: datetime) -> Document:
        unique = said.get("click_id", "").encode() or content
        return {
            "type": "ad.clicked",
            "channel": "ads",
            "id": hashlib.sha256(unique).hexdigest()[:40],
            "occurred_at": _moment(said.get("occurred_at", ""), received_at).isoformat(),
            "identifiers": [*self._person(said), *_devices(said), *self._click(said)],
            "campaign": {"source": self.account.platform, "medium": "cpc", **_part(said, "campaign.")},
            "properties": {**_part(said, "properties."), **self._callback(said)},
            "context": {**_part(said, "context."), "verified": False},
        }

    def _click(self, said: Mapping[str, str]) -> list[dict[str, str]]:
        if "click_id" not in said:
            return []
        return [{"namespace": "click_id", "scope": self.account.platform, "value": said["click_id"], "role": "hint"}]

    def _person(self, said: Mapping[str, str]) -> list[dict[str, str]]:
        if "openid" not in said or not self.account.app_id:
            return []
        return [{"namespace": "wechat_openid", "scope": self.account.app_id, "value": said["openid"]}]

    def _callback(self, said: Mapping[str, str]) -> Mapping[str, str]:
        url = said.get("callback", "")
        return {"callback": url} if _leads_to(url, self.platform.hosts) else {}


def _pairs(url: str) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(url.partition("?")[2], keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise InvalidEvent("invalid_query", f"a click has at most {PARAMETERS_MAX} parameters") from None


def _part(said: Mapping[str, str], prefix: str) -> dict[str, Any]:
    return {target.removeprefix(prefix): value for target, value in said.items() if target.startswith(prefix)}


def _moment(written: str, otherwise: datetime) -> datetime:
    """Return the time of the click: Tencent tells seconds, the others milliseconds, and no click is so old as to be both."""
    if not written.isdecimal() or len(written) > 15:
        return otherwise
    number = int(written)
    try:
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
    except ValueError:  # after the year 9999
        return otherwise


def _devices(said: Mapping[str, str]) -> list[dict[str, str]]:
    named = {**_part(said, "device_id@"), **_muid(said)}
    found = {hashed(kind, value) for kind, value in named.items()}
    return [{"namespace": "device_id", "scope": kind, "value": value} for kind, value in sorted(found)]


def _muid(said: Mapping[str, str]) -> Mapping[str, str]:
    """Tencent has one parameter for two ids, and says by the operating system which of them it is."""
    if "muid" not in said:
        return {}
    return {_MUIDS.get(said.get("properties.os", "").lower(), "muid_md5"): said["muid"]}


def hashed(kind: str, value: str) -> tuple[str, str]:
    """Return scope and value of a device's id: its MD5, in the spelling that ad platforms hash (IDFA in upper case).

    What is a hash already stays one, also where a plain id was to come: the hash of nothing would else not be known as such.
    """
    kind = kind.removesuffix("_md5")
    if _HASH.fullmatch(value):
        return f"{kind}_md5", value.lower()
    spelled = value.upper() if kind == "idfa" else value
    return f"{kind}_md5", hashlib.md5(spelled.encode(), usedforsecurity=False).hexdigest()


def _leads_to(url: str, hosts: frozenset[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.netloc in hosts
    except ValueError:
        return False
