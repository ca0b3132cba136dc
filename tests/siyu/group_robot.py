"""A stand-in for the robots of group chats, which checks what it is sent as the platforms' documents say."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SECRET = "SEC0f3a"
TOKEN = "token-1"
APART_SECONDS_MAX = 3_600


@dataclass
class Group:
    """A group chat with a robot of each platform; *taken* is what everybody reads, *failures* what it answers first (`None`: it
    takes one)."""

    secret: str = SECRET
    taken: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Response | None] = field(default_factory=list)
    now: Callable[[], float] = time.time

    @property
    def app(self) -> Starlette:
        """All platforms under one address."""
        return Starlette(
            routes=[
                Route("/cgi-bin/webhook/send", self._wecom, methods=["POST"]),
                Route("/robot/send", self._dingtalk, methods=["POST"]),
                Route(f"/open-apis/bot/v2/hook/{TOKEN}", self._feishu, methods=["POST"]),
            ]
        )

    async def _wecom(self, request: Request) -> Response:
        if request.query_params.get("key") != TOKEN:
            return JSONResponse({"errcode": 93000, "errmsg": "invalid webhook url"})
        body = await request.json()
        assert body["msgtype"] == "markdown"
        assert len(body["markdown"]["content"].encode()) <= 4_096
        return self._answer(body, {"errcode": 0, "errmsg": "ok"})

    async def _dingtalk(self, request: Request) -> Response:
        query = request.query_params
        sign = hmac.new(self.secret.encode(), f"{query['timestamp']}\n{self.secret}".encode(), hashlib.sha256).digest()
        if abs(self.now() - int(query["timestamp"]) / 1_000) > APART_SECONDS_MAX:
            return JSONResponse({"errcode": 310000, "errmsg": "invalid timestamp"})
        if query["access_token"] != TOKEN or query["sign"] != base64.b64encode(sign).decode():
            return JSONResponse({"errcode": 310000, "errmsg": "sign not match"})
        body = await request.json()
        assert body["msgtype"] == "markdown"
        assert body["markdown"].keys() == {"title", "text"}
        return self._answer(body, {"errcode": 0, "errmsg": "ok"})

    async def _feishu(self, request: Request) -> Response:
        body = await request.json()
        key = f"{body['timestamp']}\n{self.secret}".encode()
        sign = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        if body["sign"] != sign or abs(self.now() - int(body["timestamp"])) > APART_SECONDS_MAX:
            return JSONResponse({"code": 19021, "msg": "sign match fail or timestamp is not within one hour"})
        assert body["msg_type"] == "interactive"
        return self._answer(body, {"code": 0, "msg": "success", "data": {}})

    def _answer(self, body: dict[str, Any], good: dict[str, Any]) -> Response:
        if self.failures and (failure := self.failures.pop(0)):
            return failure
        self.taken.append(body)
        return JSONResponse(good)


def words(message: dict[str, Any]) -> str:
    """Return all that people read of a message."""
    if "markdown" in message:
        return "\n".join(message["markdown"].values())
    card = message["card"]
    return "\n".join([card["header"]["title"]["content"], *(each["content"] for each in card["elements"])])
