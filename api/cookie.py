"""The cookie by which the console asks, and whether it is the console that asks by it.

A browser sends the cookie along with whatever asks us, so what changes something by it must come from a page of ours. Browsers
say that themselves; no token is needed (the rule is that of Go's `http.CrossOriginProtection`).
"""

import re
from typing import Any

from fastapi import Request, Response
from fastapi.security import APIKeyCookie
from starlette.requests import HTTPConnection

from core import console_sessions

SECURE = "__Host-siyu"
PLAIN = "siyu"  # where a browser takes no other one: on this machine, without TLS
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_MANNERS: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "strict"}


class SessionCookie(APIKeyCookie):
    """The cookie, as OpenAPI describes it."""

    def __init__(self) -> None:
        super().__init__(name=SECURE, auto_error=False, description="A console session (`POST /v1/session`)")

    async def __call__(self, request: HTTPConnection) -> str | None:
        return given(request)


def given(request: HTTPConnection) -> str | None:
    """Return the cookie of this request, by whichever of its names may be believed here, if it has one."""
    return request.cookies.get(SECURE) or (request.cookies.get(PLAIN) if _is_plain(request) else None)


def give(request: Request, response: Response, value: str) -> None:
    """Have the browser keep *value*, readable by no script, and sent to this host alone."""
    is_plain = _is_plain(request) and not request.headers.get("origin", "").startswith("https:")
    age_seconds = int(console_sessions.AGE_MAX.total_seconds())
    name = PLAIN if is_plain else SECURE
    response.set_cookie(name, value, max_age=age_seconds, secure=not is_plain, **_MANNERS)


def take_away(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(SECURE, secure=True, **_MANNERS)
    response.delete_cookie(PLAIN, **_MANNERS)


def is_from_here(request: Request) -> bool | None:
    """Whether a page of ours, or the user himself, made this request, as his browser says; `None` where it says nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is not None:
        host = request.headers.get("host", "")
        return host != "" and origin.partition("://")[2] == host
    return None


def _is_plain(request: HTTPConnection) -> bool:
    return request.scope["scheme"] == "http" and bool(_LOOPBACK.fullmatch(request.headers.get("host", "")))
