"""WeChat as its users' apps meet it: who opens a page or a mini-program is told to the brand by a code.

It stands in for open.weixin.qq.com and for the `sns` part of api.weixin.qq.com. As whom a browser is logged in says its cookie
`wechat_user`, here as there: a browser without one stays on the page of the platform.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

AUTHORIZE_ORDER = ["appid", "redirect_uri", "response_type", "scope", "state"]
TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who uses WeChat. On a snapshot page nobody is told who he is."""

    openid: str
    unionid: str = ""
    phone: str = ""
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

        @app.get("/sns/jscode2session")
        async def open_session(appid: str, secret: str, js_code: str, grant_type: str) -> Response:
            """Say who opened a mini-program."""
            user = self._user(appid, secret, js_code)
            if user is None or grant_type != "authorization_code":
                return JSONResponse({"errcode": 40029, "errmsg": "invalid code"})
            return JSONResponse({"openid": user.openid, "session_key": SESSION_KEY, **_union(user)})

        @app.post("/wxa/business/getuserphonenumber")
        async def tell_phone(request: Request, access_token: str) -> Response:
            """Say which phone a user chose to tell."""
            user = self.codes.pop(str((await request.json()).get("code")), None)
            if user is None or not access_token:
                return JSONResponse({"errcode": 40029, "errmsg": "invalid code"})
            told = {
                "phoneNumber": user.phone,
                "purePhoneNumber": user.phone.removeprefix("+86"),
                "countryCode": "86",
                "watermark": {"timestamp": 1_762_171_200, "appid": self.app_id},
            }
            return JSONResponse({"errcode": 0, "errmsg": "ok", "phone_info": told})

        @app.post("/cgi-bin/stable_token")
        async def give_token() -> Response:
            """Give an access token."""
            return JSONResponse({"access_token": secrets.token_hex(16), "expires_in": 7200})

        @app.get("/cgi-bin/ticket/getticket")
        async def give_ticket(access_token: str) -> Response:
            """Give the ticket that signs pages."""
            said = {"errcode": 0, "errmsg": "ok", "ticket": TICKET, "expires_in": 7200}
            return JSONResponse(said if access_token else {"errcode": 40001, "errmsg": "invalid credential"})

        return app

    def _user(self, app_id: str, secret: str, code: str) -> User | None:
        user = self.codes.pop(code, None)
        if user is None:
            self.refused.append(code)
        return user if (app_id, secret) == (self.app_id, self.secret) else None


def _union(user: User) -> Mapping[str, str]:
    return {"unionid": user.unionid} if user.unionid else {}
