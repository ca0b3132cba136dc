"""The session of a reader who has logged in: who he is to WeChat, sealed, for his phone to show again. Pure.

It has WeChat's key of the session in it, which nobody but us can read: the phone holds it, and no database of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.errors import Forbidden
from core.sealed import Seal
from ingest.mini.account import MiniAccount
from ingest.proof import is_same, text

SESSION_LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Session:
    """Who reads: his *openid*, and the phone's *anonymous_id*, with which he has logged in."""

    openid: str
    unionid: str
    anonymous_id: str
    session_key: str = field(repr=False)

    @staticmethod
    def told(said: Mapping[str, Any], anonymous_id: str) -> "Session":
        """Return the session of which WeChat has *said* who it is."""
        return Session(text(said, "openid"), text(said, "unionid"), anonymous_id, text(said, "session_key"))


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of the mini-program called *name*. One of another, or of another app id, is none of these."""

    signing_key: bytes = field(repr=False)
    name: str
    account: MiniAccount

    def sealed(self, session: Session, now: datetime) -> str:
        """Return *session* for its phone, which can neither read nor change it."""
        fields = {
            "openid": session.openid,
            "unionid": session.unionid,
            "anonymous_id": session.anonymous_id,
            "session_key": session.session_key,
        }
        return self._seal.written(fields, now)

    def opened(self, sealed: str, anonymous_id: str, now: datetime) -> Session:
        """Return the session that *sealed* is. Raises `Forbidden` for a forged one, an old one, and one of another phone."""
        noted = self._seal.read(sealed, now)
        if noted is None or not is_same(anonymous_id, noted["anonymous_id"]):
            raise Forbidden("this is no session of this phone, or it has ended: log in again")
        return Session(noted["openid"], noted["unionid"], noted["anonymous_id"], noted["session_key"])

    @property
    def _seal(self) -> Seal:
        return Seal(self.signing_key, f"mini session {self.name} {self.account.app_id}", SESSION_LIFETIME)
