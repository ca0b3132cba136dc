"""The servers of WeChat and WeCom that answer brands: tokens, followers, customers. They refuse what the real ones refuse.

They stand in for api.weixin.qq.com and qyapi.weixin.qq.com, can be down, busy or at the end of their quota, and count what
they are asked.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

LIFETIME_SECONDS = 7_200
USERS_MAX = 100
FORCED_MAX = 20  # a day
TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Follower:
    """A follower of an official account, or one who was; without *unionid* the account is bound to no Open Platform account."""

    unionid: str = ""
    follows: bool = True
    scene: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of a corp, with the numbers that employees noted of him."""

    unionid: str = ""
    mobiles: tuple[str, ...] = ()


@dataclass
class _Server:
    """What both have in common. *asked* counts requests by path; *quota* is how many more are answered.

    Each answer takes *pause_seconds*.
    """

    is_down: bool = False
    is_busy: bool = False
    quota: int | None = None
    pause_seconds: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, str] = field(default_factory=dict)

    def application(self) -> FastAPI:
        """Return the server as an application."""
        app = FastAPI()
        app.include_router(self.router())

        @app.middleware("http")
        async def take_time(request: Request, call_next):  # type: ignore[no-untyped-def] # as Starlette has it
            await asyncio.sleep(self.pause_seconds)
            return await call_next(request)

        return app

    def router(self) -> APIRouter:
        """Return its addresses."""
        raise NotImplementedError

    def end_tokens(self) -> None:
        """Let every token end, as when somebody resets the secret in the console."""
        self.tokens.clear()

    def answer(self, request: Request, told: Callable[[], Said]) -> Response:
        """Answer *request* with what is *told*, unless it is down, busy, or asked too often."""
        path = request.url.path.removeprefix("/cgi-bin/")
        self.asked[path] += 1
        if self.is_down:
            return Response("bad gateway", 502)
        if self.is_busy:
            return JSONResponse(refusal(-1))
        if path not in _FREE:
            if self.quota == 0:
                return JSONResponse(refusal(45009))
            self.quota = None if self.quota is None else self.quota - 1
        return JSONResponse(dict(told()))

    def new_token(self, owner: str) -> str:
        """Return a token of *owner*'s, good from now on."""
        made = secrets.token_urlsafe(48)
        self.tokens[made] = owner
        return made


@dataclass
class WeChatApi(_Server):
    """The API for official accounts: *secrets* by app, *followers* by openid."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    followers: MutableMapping[str, Follower] = field(default_factory=dict)
    stable: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    forced: int = 0

    def router(self) -> APIRouter:
        """Return its addresses."""
        router = APIRouter(prefix="/cgi-bin")

        @router.get("/token")
        def give_token(request: Request, appid: str, secret: str) -> Response:
            """Give an access token, and end the one that was given so before."""
            return self.answer(request, lambda: self._given(appid, secret, self._plain))

        @router.post("/stable_token")
        async def give_stable_token(request: Request) -> Response:
            """Give the access token that all who ask share; where it is demanded, another one, which ends it."""
            asked = await request.json()
            stable = self._forced if asked.get("force_refresh") else self._stable
            return self.answer(request, lambda: self._given(asked["appid"], asked["secret"], stable))

        @router.get("/ticket/getticket")
        def give_ticket(request: Request, access_token: str) -> Response:
            """Give the ticket that signs pages."""
            given = {"errcode": 0, "errmsg": "ok", "ticket": TICKET, "expires_in": LIFETIME_SECONDS}
            return self.answer(request, lambda: given if access_token in self.tokens else refusal(40001))

        @router.post("/user/info/batchget")
        async def tell_of_followers(request: Request, access_token: str) -> Response:
            """Tell of up to 100 followers."""
            asked = await request.json()
            openids = [one["openid"] for one in asked["user_list"]]
            return self.answer(request, lambda: self._told(access_token, openids))

        return router

    def _given(self, app_id: str, secret: str, token: Callable[[str], str]) -> Said:
        if self.secrets.get(app_id) != secret:
            return refusal(40125 if app_id in self.secrets else 40013)
        given = token(app_id)
        return {"access_token": given, "expires_in": LIFETIME_SECONDS} if given else refusal(45009)

    def _plain(self, app_id: str) -> str:
        self.tokens.pop(self.plain.get(app_id, ""), None)
        self.plain[app_id] = self.new_token(app_id)
        return self.plain[app_id]

    def _stable(self, app_id: str) -> str:
        return self.stable.get(app_id) or self._renewed(app_id)

    def _forced(self, app_id: str) -> str:
        self.forced += 1
        return self._renewed(app_id) if self.forced <= FORCED_MAX else ""

    def _renewed(self, app_id: str) -> str:
        self.tokens.pop(self.stable.get(app_id, ""), None)
        self.stable[app_id] = self.new_token(app_id)
        return self.stable[app_id]

    def _told(self, token: str, openids: list[str]) -> Said:
        if token not in self.tokens:
            return refusal(40001)
        if len(openids) > USERS_MAX:
            return refusal(40032)
        if not set(openids) <= self.followers.keys():
            return refusal(40003)
        return {"user_info_list": [_told_of_follower(openid, self.followers[openid]) for openid in openids]}


@dataclass
class WeComApi(_Server):
    """The API for corps: *secrets* by corp, *customers* by external user id."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    customers: MutableMapping[str, Customer] = field(default_factory=dict)

    def router(self) -> APIRouter:
        """Return its addresses."""
        router = APIRouter(prefix="/cgi-bin")

        @router.get("/gettoken")
        def give_token(request: Request, corpid: str, corpsecret: str) -> Response:
            """Give an access token: the same, until it ends."""
            return self.answer(request, lambda: self._given(corpid, corpsecret))

        @router.get("/externalcontact/get")
        def tell_of_customer(request: Request, access_token: str, external_userid: str) -> Response:
            """Tell of one customer."""
            return self.answer(request, lambda: self._told(access_token, external_userid))

        @router.post("/idconvert/unionid_to_external_userid")
        async def convert(request: Request, access_token: str) -> Response:
            """Tell which customer, present or future, has a unionid."""
            asked = await request.json()
            return self.answer(request, lambda: self._converted(access_token, asked))

        return router

    def _given(self, corp_id: str, secret: str) -> Said:
        if self.secrets.get(corp_id) != secret:
            return refusal(40001 if corp_id in self.secrets else 40013)
        token = next((token for token, owner in self.tokens.items() if owner == corp_id), "") or self.new_token(corp_id)
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": LIFETIME_SECONDS}

    def _told(self, token: str, external_userid: str) -> Said:
        if token not in self.tokens:
            return refusal(40014)
        customer = self.customers.get(external_userid)
        if customer is None:
            return refusal(84061)
        contact = {"external_userid": external_userid, "name": "李四", "type": 1, "gender": 1}
        noted = {"userid": "zhangsan", "remark": "李部长", "remark_mobiles": list(customer.mobiles), "add_way": 1}
        return {"errcode": 0, "external_contact": contact | _union(customer.unionid), "follow_user": [noted]}

    def _converted(self, token: str, asked: Said) -> Said:
        if token not in self.tokens:
            return refusal(40014)
        if not asked.get("unionid") or not asked.get("openid") or asked.get("subject_type") not in (0, 1):
            return refusal(40058)
        for external_userid, customer in self.customers.items():
            if customer.unionid == asked["unionid"]:
                return {"errcode": 0, "errmsg": "ok", "external_userid": external_userid}
        return {"errcode": 0, "errmsg": "ok", "pending_id": f"pending-{asked['unionid']}"}


_FREE = frozenset({"token", "stable_token", "gettoken"})


def refusal(errcode: int) -> Said:
    """Return how both say no."""
    return {"errcode": errcode, "errmsg": "no, rid: 6543-21"}


def _told_of_follower(openid: str, follower: Follower) -> Said:
    if not follower.follows:
        return {"subscribe": 0, "openid": openid} | _union(follower.unionid)
    told = {
        "subscribe": 1,
        "openid": openid,
        "nickname": "",
        "language": "zh_CN",
        "subscribe_time": 1_793_710_867,
        "remark": "VIP",
        "groupid": 0,
        "tagid_list": [128],
        "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 0,
        "qr_scene_str": follower.scene,
    }
    return told | _union(follower.unionid)


def _union(unionid: str) -> dict[str, str]:
    return {"unionid": unionid} if unionid else {}
