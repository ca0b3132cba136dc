"""Robots of group chats: where one is reached, how a message to it is written and signed, and what its answer means.

* WeCom: the address is the secret. developer.work.weixin.qq.com/document/path/91770
* DingTalk: signed in the address, by the key over time and key. open.dingtalk.com/document/robots/custom-robot-access
* Feishu and Lark: signed in the body, by time and key over nothing. open.feishu.cn/document/client-docs/bot-v3/add-custom-bot

Nothing here reads or writes but the file that declares them.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from core.errors import InvalidSetting
from core.rules import read as read_rules
from ingest.account import Account, Name
from profiles.alert import Language


class Kind(StrEnum):
    """Whose robot it is."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"


class Outcome(StrEnum):
    """What an answer means: the message is there, is to be sent again, or again after a while, or never will be taken."""

    TAKEN = "taken"
    AGAIN = "again"
    TOO_MANY = "too_many"
    REFUSED = "refused"


class GroupRobot(Account):
    """A robot of a group: its *url* as the platform shows it, and the *secret* where it checks signatures.

    It hears of scores of *threshold* or more, with *falls* of those that fell too. A *keyword* is one that each message has to
    have.
    """

    kind: Kind
    url: str
    secret: str = ""
    keyword: Annotated[str, Field(max_length=32)] = ""
    language: Language = "zh"
    threshold: Annotated[int, Field(ge=0, le=100)] = 0
    falls: bool = False
    api_url: str = ""

    @model_validator(mode="after")
    def _is_at_its_platform(self) -> Self:
        hosts, path = _PLACES[self.kind]
        address = urlsplit(self.url)
        if address.scheme != "https" or address.netloc not in hosts or not address.path.startswith(path):
            raise ValueError(f"the url of a robot of {self.kind} begins with https://{hosts[0]}{path}")
        if self.secret and self.kind is Kind.WECOM:
            raise ValueError("WeCom signs nothing: its robot has no secret but its url")
        return self


class Declared(BaseModel):
    """What the file declares: robots by names of our own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    robots: dict[Name, GroupRobot] = {}


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent: *content* is JSON."""

    url: str
    content: bytes


def post(robot: GroupRobot, title: str, text: str, now: datetime) -> Post:
    """Return the message *text*, in Markdown, to *robot* as it is to be sent *now*."""
    title, text = _with_keyword(robot, title, text)
    match robot.kind:
        case Kind.WECOM:
            return _post(robot, {"msgtype": "markdown", "markdown": {"content": f"**{title}**\n{text}"}})
        case Kind.DINGTALK:
            body = {"msgtype": "markdown", "markdown": {"title": title, "text": f"### {title}\n\n{_broken(text)}"}}
            return _post(robot, body, _signed_by_dingtalk(robot.secret, now) if robot.secret else {})
        case Kind.FEISHU:
            card = {
                "header": {"title": {"tag": "plain_text", "content": title}},
                "elements": [{"tag": "markdown", "content": text}],
            }
            signed = _signed_by_feishu(robot.secret, now) if robot.secret else {}
            return _post(robot, {**signed, "msg_type": "interactive", "card": card})


def outcome(kind: Kind, status: int, content: bytes) -> tuple[Outcome, str]:
    """Say what an answer means, and by what code of the platform's."""
    if status == 429 or status >= 500:
        return (Outcome.TOO_MANY if status == 429 else Outcome.AGAIN), f"http {status}"
    code = _code(kind, content)
    if code == 0:
        return Outcome.TAKEN, "0"
    if code is None or code == _BUSY:
        return (Outcome.REFUSED if 400 <= status < 500 else Outcome.AGAIN), f"http {status}"
    return (Outcome.TOO_MANY if code in _TOO_MANY[kind] else Outcome.REFUSED), str(code)


def read(path: Path | None) -> Mapping[str, GroupRobot]:
    """Read the robots declared in the file at *path* (`None`: there are none). Raises `InvalidSetting`."""
    if path is None:
        return {}
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "it is not UTF-8")
        raise InvalidSetting(f"SIYU_ALERTS_FILE cannot be read: {reason}") from None
    return read_rules(_DECLARED, written, "SIYU_ALERTS_FILE").robots


def _post(robot: GroupRobot, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> Post:
    address = httpx.URL(robot.url).copy_merge_params(dict(query or {}))
    if robot.api_url:
        other = httpx.URL(robot.api_url)
        address = address.copy_with(scheme=other.scheme, host=other.host, port=other.port)
    return Post(str(address), orjson.dumps(body))


def _signed_by_dingtalk(secret: str, now: datetime) -> Mapping[str, str]:
    """The time is in milliseconds, and may be off by an hour."""
    timestamp = str(int(now.timestamp() * 1_000))
    signature = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256)
    return {"timestamp": timestamp, "sign": base64.b64encode(signature).decode()}


def _signed_by_feishu(secret: str, now: datetime) -> Mapping[str, str]:
    """The time is in seconds, and may be off by an hour."""
    timestamp = str(int(now.timestamp()))
    signature = hmac.digest(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256)
    return {"timestamp": timestamp, "sign": base64.b64encode(signature).decode()}


def _with_keyword(robot: GroupRobot, title: str, text: str) -> tuple[str, str]:
    has_it = not robot.keyword or robot.keyword in title or robot.keyword in text
    return (title, text) if has_it else (f"{robot.keyword} {title}", text)


def _broken(text: str) -> str:
    """DingTalk breaks lines only where two spaces stand before."""
    return text.replace("\n", "  \n")


def _code(kind: Kind, content: bytes) -> int | None:
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):
        return None
    code = told.get("code", told.get("StatusCode")) if kind is Kind.FEISHU else told.get("errcode")
    return code if isinstance(code, int) else None


_PLACES: Mapping[Kind, tuple[tuple[str, ...], str]] = {
    Kind.WECOM: (("qyapi.weixin.qq.com",), "/cgi-bin/webhook/send"),
    Kind.DINGTALK: (("oapi.dingtalk.com",), "/robot/send"),
    Kind.FEISHU: (("open.feishu.cn", "open.larksuite.com"), "/open-apis/bot/v2/hook/"),
}
_BUSY = -1
_TOO_MANY: Mapping[Kind, frozenset[int]] = {
    Kind.WECOM: frozenset({45009}),
    Kind.DINGTALK: frozenset({130101, 410100}),
    Kind.FEISHU: frozenset({9499, 11232}),
}
_DECLARED = TypeAdapter(Declared)
