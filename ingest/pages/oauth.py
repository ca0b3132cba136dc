"""The way to WeChat and back, by which a visitor gets an openid. Pure; nothing is kept between its steps.

1. A page says which browser it runs in, and gets an address at WeChat. Its `redirect_uri` has a sealed note of that browser
   and of the page to come back to.
2. WeChat sends the visitor to us with a code, which we exchange. We send him back to his page with a sealed *claim*: this
   openid, for that browser.
3. The page brings the claim. Only if it then runs in the browser for which the claim was made are the two linked.

So whatever address somebody plants into another's browser, be it of the first step or the second, names the browser of him who
planted it, and the page there refuses it. A cookie of ours would not do: a browser takes none from us while the visitor is
on a page of another site.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from core.sealed import Seal, derived
from ingest.callback import Document
from ingest.pages.account import PagesAccount
from ingest.pages.shares import browser

BEGIN_LIFETIME = timedelta(minutes=10)
CLAIM_LIFETIME = timedelta(minutes=2)
BEGIN_LENGTH_MAX = 1_500  # so that all of it fits into an address at WeChat


@dataclass(frozen=True, slots=True)
class Journey:
    """Which browser set out from which page."""

    anonymous_id: str
    url: str


@dataclass(frozen=True, slots=True)
class OAuth:
    """The notes of one account's visitors."""

    signing_key: bytes
    name: str
    account: PagesAccount

    def address(self, journey: Journey, callback_url: str, now: datetime) -> str | None:
        """Return where at WeChat the journey begins; `None` where it cannot, or should not, be made."""
        if not self.account.asks_wechat or not self.account.has_page(journey.url):
            return None
        begin = self._begins.written({"anonymous_id": journey.anonymous_id, "url": journey.url}, now)
        if len(begin) > BEGIN_LENGTH_MAX:
            return None
        # WeChat wants them in this order.
        query = {
            "appid": self.account.app_id,
            "redirect_uri": f"{callback_url}?{urlencode({'begin': begin})}",
            "response_type": "code",
            "scope": "snsapi_base",
            "state": self._state(begin),
        }
        return f"{self.account.open_url}/connect/oauth2/authorize?{urlencode(query)}#wechat_redirect"

    def journey(self, begin: str, now: datetime) -> Journey | None:
        """Return the journey that *begin* notes; `None` where we did not, or it is too long ago."""
        noted = self._begins.read(begin, now)
        if noted is None or not self.account.has_page(noted["url"]):
            return None
        return Journey(noted["anonymous_id"], noted["url"])

    def is_state_of(self, state: str, begin: str) -> bool:
        """Whether WeChat was sent with *state* on the journey that *begin* notes."""
        return hmac.compare_digest(state.encode(), self._state(begin).encode())

    def claim(self, journey: Journey, said: Mapping[str, Any], now: datetime) -> str | None:
        """Return the claim to what WeChat *said* of the visitor; `None` where it names nobody.

        On a snapshot page WeChat gives every visitor identifiers that are nobody's.
        """
        if said.get("is_snapshotuser") or not said.get("openid"):
            return None
        named = {"openid": str(said["openid"]), "unionid": str(said.get("unionid", ""))}
        return self._claims.written({"anonymous_id": journey.anonymous_id, **named}, now)

    def identified(self, claim: str, anonymous_id: str, now: datetime) -> Document | None:
        """Return the event that links the browser called *anonymous_id* to what *claim* says, `None` if it is another's."""
        noted = self._claims.read(claim, now)
        if noted is None or not hmac.compare_digest(noted["anonymous_id"].encode(), anonymous_id.encode()):
            return None
        identifiers = [
            {"namespace": "wechat_openid", "scope": self.account.app_id, "value": noted["openid"]},
            browser(self.name, anonymous_id),
        ]
        if noted["unionid"]:
            unionid = {"namespace": "wechat_unionid", "scope": self.account.open_platform, "value": noted["unionid"]}
            identifiers.append(unionid)
        return {
            "id": f"oauth-{hashlib.sha256(claim.encode()).hexdigest()[:32]}",
            "type": "identify",
            "channel": "h5",
            "occurred_at": now,
            "strength": "platform",
            "identifiers": identifiers,
        }

    @property
    def _begins(self) -> Seal:
        return Seal(self.signing_key, f"pages begin {self.name}", BEGIN_LIFETIME)

    @property
    def _claims(self) -> Seal:
        return Seal(self.signing_key, f"pages claim {self.name}", CLAIM_LIFETIME)

    def _state(self, begin: str) -> str:
        return hmac.new(derived(self.signing_key, "pages state"), begin.encode(), "sha256").hexdigest()
