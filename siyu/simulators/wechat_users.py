"""WeChat as its users' apps meet it: who opens a page is told to the brand by a code.

It stands in for open.weixin.qq.com and for the `sns` part of api.weixin.qq.com. As whom a browser is logged in says its cookie
`wechat_user`, here as there: a browser without one stays on the page of the platform.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from siyu.simulators.wechat_api import WeChatApi

AUTHORIZE_ORDER = ["appid", "redirect_uri", "response_type", "scope", "state"]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who uses WeChat. On a snapshot page nobody is told who he is."""

    openid: str
    unionid: str = ""
    is_snapshot: bool = False


@dataclass
class WeChatUsers:
    """Users by the name under which their browsers are logged in, and the codes that stand for them, each good once.

    *refused* are the codes that were asked for again; *is_down* makes every answer of the API an error.
    """

    app_id: str
    secret: str
    users: Mapping[str, User]
    is_down: bool = False
    codes: dict[str, User] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)

    @cached_property
    def api(self) -> WeChatApi:
        """What answers the brand, to whom tokens and tickets are given."""
        return WeChatApi(secrets={self.app_id: self.secret})

    def code(self, name: str) -> str:
        """Return a new code that stands for the user called *name*."""
        made = secrets.token_hex(16)
        self.codes[made] = self.users[name]
        return made

    def application(self) -> FastAPI:
        """Return the platform as an application."""
        app = FastAPI()

        @app.middleware("http")
        async def fail_when_down(request: Request, call_next):  # type: ignore[no-untyped-def] # as Starlette has it
            if self.is_down and not request.url.path.startswith("/connect/"):
                return Response("down", 502)
            return await call_next(request)

        @app.get("/connect/oauth2/authorize")
        async def authorize(request: Request) -> Response:
            """Send a browser that is logged in back with a code, without a word."""
            query = parse_qsl(request.url.query)
            asked = dict(query)
            user = request.cookies.get("wechat_user", "")
            if [name for name, _ in query] != AUTHORIZE_ORDER or asked["appid"] != self.app_id:
                return PlainTextResponse("10003: redirect_uri and parameters", 400)
            if not (asked["state"].isalnum() and len(asked["state"]) <= 128) or user not in self.users:
                return PlainTextResponse("please open this page in WeChat", 200)
            self.authorized.append(user)
            target = asked["redirect_uri"]
            joint = "&" if urlsplit(target).query else "?"
            back = urlencode({"code": self.code(user), "state": asked["state"]})
            return RedirectResponse(f"{target}{joint}{back}", 302)

        @app.get("/sns/oauth2/access_token")
        async def exchange(appid: str, secret: str, code: str, grant_type: str) -> Response:
            """Say for whom a code stands."""
            user = self._user(appid, secret, code)
            if user is None or grant_type != "authorization_code":
                return JSONResponse({"errcode": 40029, "errmsg": "invalid code"})
            said = {"access_token": secrets.token_hex(8), "expires_in": 7200, "openid": user.openid, **_union(user)}
            return JSONResponse(said | ({"is_snapshotuser": 1} if user.is_snapshot else {}))

        app.include_router(self.api.router())
        return app

    def _user(self, app_id: str, secret: str, code: str) -> User | None:
        user = self.codes.pop(code, None)
        if user is None:
            self.refused.append(code)
        return user if (app_id, secret) == (self.app_id, self.secret) else None


def _union(user: User) -> Mapping[str, str]:
    return {"unionid": user.unionid} if user.unionid else {}
