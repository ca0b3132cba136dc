"""What we ask of WeChat's API about people: who came with a code, what his phone is, and the ticket that signs pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import httpx

from core.errors import InvalidEvent, Unavailable

TIMEOUT_SECONDS = 3.0
EARLY_SECONDS = 300.0  # so long before its end a token or ticket is asked for anew

Ticket = Callable[[], Awaitable[str]]
"""Returns an access token, or the ticket that signs pages. Raises `Unavailable`."""


class Credentials(Protocol):
    """As which app we ask, and where."""

    @property
    def app_id(self) -> str:
        """The app's id."""

    @property
    def secret(self) -> str:
        """The app's secret."""

    @property
    def api_url(self) -> str:
        """Where the API is."""


async def visitor(app: Credentials, code: str) -> Mapping[str, Any]:
    """Return what WeChat says of the visitor of a page who came with *code*: `openid`, `unionid`, `is_snapshotuser`.

    Raises `InvalidEvent` where the code is no good (any more), `Unavailable` where WeChat does not answer.
    """
    asked = {"appid": app.app_id, "secret": app.secret, "code": code, "grant_type": "authorization_code"}
    return await _asked(app, "GET", "/sns/oauth2/access_token", asked)


async def opener(app: Credentials, code: str) -> Mapping[str, Any]:
    """Return what WeChat says of whoever opened a mini-program: `openid`, `unionid`, and the key of his session."""
    asked = {"appid": app.app_id, "secret": app.secret, "js_code": code, "grant_type": "authorization_code"}
    return await _asked(app, "GET", "/sns/jscode2session", asked)


async def phone(app: Credentials, access_token: str, code: str) -> Mapping[str, Any]:
    """Return the `phone_info` that *code* stands for."""
    said = await _asked(
        app, "POST", "/wxa/business/getuserphonenumber", {"access_token": access_token}, json={"code": code}
    )
    return dict(said.get("phone_info") or {})


@dataclass
class Kept:
    """Something that is good for a while: asked for once, and by one of those who need it."""

    ask: Callable[[], Awaitable[tuple[str, float]]]
    now: Callable[[], float] = monotonic
    _value: str = ""
    _until_seconds: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self) -> str:
        """Return it. Raises `Unavailable`."""
        async with self._lock:
            if self._until_seconds <= self.now():
                self._value, lifetime_seconds = await self.ask()
                self._until_seconds = self.now() + max(lifetime_seconds - EARLY_SECONDS, 0.0)
            return self._value


def access_tokens(app: Credentials) -> Ticket:
    """Return what knows the access token of *app*. It is the stable one: to ask for it takes nobody else's away."""

    async def ask() -> tuple[str, float]:
        asked = {"grant_type": "client_credential", "appid": app.app_id, "secret": app.secret}
        return _lasting(await _asked(app, "POST", "/cgi-bin/stable_token", {}, json=asked), "access_token")

    return Kept(ask)


def tickets(app: Credentials, access_token: Ticket) -> Ticket:
    """Return what knows the ticket with which the pages of *app* are signed."""

    async def ask() -> tuple[str, float]:
        asked = {"access_token": await access_token(), "type": "jsapi"}
        return _lasting(await _asked(app, "GET", "/cgi-bin/ticket/getticket", asked), "ticket")

    return Kept(ask)


def _lasting(said: Mapping[str, Any], name: str) -> tuple[str, float]:
    return str(said.get(name, "")), float(said.get("expires_in", 0))


async def _asked(
    app: Credentials, method: str, path: str, query: Mapping[str, str], json: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    try:
        async with httpx.AsyncClient(base_url=app.api_url, timeout=TIMEOUT_SECONDS) as client:
            answer = await client.request(method, path, params=query, json=json)
        said = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):  # not shown: the address that was asked has the secret in it
        raise Unavailable("WeChat does not answer") from None
    if not isinstance(said, dict):
        raise Unavailable("WeChat answers in an unknown way")
    if said.get("errcode"):
        raise InvalidEvent("refused_by_wechat", f"WeChat refused it: {int(said['errcode'])}")
    return said
