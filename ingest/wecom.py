"""WeCom's callbacks about customers and their groups: `/collect/wecom/{corp}`.

An employee's id is a property: he is not the customer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.errors import InvalidEvent
from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.account import Account
from ingest.callback import Accounted, Answer, Callback, Document
from ingest.intake import Intake
from ingest.links.link import hinted
from ingest.proof import made_of, text
from ingest.taking import known, received, respond, take
from ingest.tokens import Tokens
from ingest.wechat import envelope, markup
from ingest.wechat.crypto import EncodedKey, Secretbox
from ingest.wechat.markup import Fields, created_at

CHANNEL = "wecom"


class WeComAccount(Account):
    """A corp, or an app in it; with a *suite_id* the app of a service provider, who hears of many corps.

    *receive_id* is for whom callbacks are sealed, where that is neither the suite nor the corp: empty for the app of a
    provider who is a private person. With the *secret* of an app that may read customers (not a service provider's) we ask
    who they are; *open_platform* is the scope of their unionids.
    """

    corp_id: str
    token: Annotated[str, Field(min_length=1, max_length=32)]
    encoding_aes_key: EncodedKey
    suite_id: str = ""
    receive_id: str | None = None
    secret: str | None = None
    open_platform: str = ""
    api_url: str = "https://qyapi.weixin.qq.com"

    @property
    def receiver(self) -> str:
        """For whom callbacks are sealed."""
        return (self.suite_id or self.corp_id) if self.receive_id is None else self.receive_id

    def scope(self, told: Fields) -> str:
        """Return where a customer whom a callback names is valid: of each corp a suite is shown ids of its own.

        Raises `InvalidEvent` where a suite is not told the corp.
        """
        if not self.suite_id:
            return self.corp_id
        if not text(told, "AuthCorpId"):
            raise InvalidEvent("missing", "a suite is told whose customer it is", "/AuthCorpId")
        return f"{text(told, 'AuthCorpId')}.{self.suite_id}"


@dataclass(frozen=True, slots=True)
class Whose:
    """Of which *account* the customers are, and the *tokens* of our links, by which a state is known for one."""

    account: WeComAccount
    tokens: Tokens


@dataclass(frozen=True)
class WeCom(Accounted[WeComAccount]):
    """The protocol of the corp called *name*; *tokens* are those of our links."""

    tokens: Tokens

    family = "wecom"

    def greeting(self, callback: Callback) -> bytes:
        """Return what proves to the platform that the address is ours."""
        return self._opened(callback.query.get("echostr", ""), callback)

    def proven(self, callback: Callback) -> bytes:
        """Return what the platform says, decrypted."""
        return self._opened(envelope.sealed(callback.body), callback)

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return the events that *content* tells."""
        return documents(markup.fields(content), Whose(self.account, self.tokens))

    def _opened(self, encrypted: str, callback: Callback) -> bytes:
        envelope.check(callback, self.account.token, "msg_signature", encrypted)
        return self._box.opened(encrypted, {self.account.receiver})

    @cached_property
    def _box(self) -> Secretbox:
        return Secretbox.of(self.account.encoding_aes_key)


def routes(intake: Intake, accounts: Mapping[str, WeComAccount], public_url: str, tokens: Tokens) -> APIRouter:
    """Return the addresses to paste into the console, one for each corp; *tokens* are those of our links."""
    platforms = {name: WeCom(name, account, tokens) for name, account in accounts.items()}
    router = APIRouter(
        prefix="/collect/wecom", tags=["collecting"], route_class=RawRoute, default_response_class=Response
    )

    @router.get("/{corp}")
    @raises(*OF_CALLBACKS)
    async def check_wecom_address(request: Request) -> Response:
        """Answer the platform's check of the address with what it encrypted."""
        return respond(
            Answer(known(platforms, request.path_params["corp"]).greeting(await received(request, intake, public_url)))
        )

    @router.post("/{corp}")
    @raises(*OF_CALLBACKS, "invalid_xml")
    async def collect_wecom(request: Request) -> Response:
        """Take one callback; an empty 200 means that the log has it."""
        return await take(known(platforms, request.path_params["corp"]), request, intake, public_url)

    return router


def documents(told: Fields, whose: Whose) -> Sequence[Document]:
    """Return the events that one callback tells. Raises `InvalidEvent` where it lacks what every callback has."""
    name = text(told, "Event") or text(told, "InfoType")
    if not name:
        raise InvalidEvent("missing", "an event has a name", "/Event")
    change = text(told, "ChangeType")
    return _READERS.get((name, change), _unknown)(told, whose)


def _added(told: Fields, whose: Whose) -> Sequence[Document]:
    document = _event(told, whose, "wecom.contact_added", _properties(told))
    document["identifiers"] += hinted(text(told, "State"), whose.tokens)
    return [document]


def _edited(told: Fields, whose: Whose) -> Sequence[Document]:
    return [_event(told, whose, "wecom.contact_edited", _properties(told))]


def _removed(told: Fields, whose: Whose) -> Sequence[Document]:
    return [_event(told, whose, "wecom.contact_removed", _properties(told))]


def _left(told: Fields, whose: Whose) -> Sequence[Document]:
    """The customer removed the employee: of that one he wants to hear nothing more."""
    refused = {"purpose": "wecom", "channel": CHANNEL, "reason": "removed", "employee": text(told, "UserID")}
    return [*_removed(told, whose), _event(told, whose, "consent.withdrawn", refused, "withdrawn")]


def _unknown(told: Fields, whose: Whose) -> Sequence[Document]:
    """Group events among them: who joined has to be asked for, the callback tells how many."""
    named = ".".join(part for part in (text(told, "Event") or text(told, "InfoType"), text(told, "ChangeType")) if part)
    return [_event(told, whose, "track", {"event": named, **_properties(told)})]


_CONTACT = "change_external_contact"
_READERS: Mapping[tuple[str, str], Callable[[Fields, Whose], Sequence[Document]]] = {
    (_CONTACT, "add_external_contact"): _added,
    (_CONTACT, "add_half_external_contact"): _added,
    (_CONTACT, "edit_external_contact"): _edited,
    (_CONTACT, "del_external_contact"): _removed,
    (_CONTACT, "del_follow_user"): _left,
}

_ENVELOPE = frozenset(
    ["ToUserName", "FromUserName", "CreateTime", "TimeStamp", "MsgType", "Event", "InfoType", "ChangeType"]
)
# The customer is an identifier; a welcome code is a secret for twenty seconds, the codes and tickets of a suite for longer.
_LEFT_OUT = _ENVELOPE | {"ExternalUserID", "WelcomeCode", "Encrypt", "Token", "SuiteTicket", "AuthCode"}
_NAMES = {"UserID": "employee", "State": "state"}


def _event(told: Fields, whose: Whose, kind: str, properties: Mapping[str, Any], part: str = "") -> Document:
    return {
        "id": _id(told, part),
        "type": kind,
        "channel": CHANNEL,
        "occurred_at": created_at(text(told, "CreateTime") or text(told, "TimeStamp")),
        "identifiers": _customer(told, whose),
        "strength": "platform",
        "properties": dict(properties),
    }


def _customer(told: Fields, whose: Whose) -> list[Document]:
    customer = text(told, "ExternalUserID")
    if not customer:
        return []
    return [{"namespace": "wecom_external_userid", "scope": whose.account.scope(told), "value": customer}]


def _properties(told: Fields) -> Mapping[str, Any]:
    return {_NAMES.get(name, name): value for name, value in told.items() if name not in _LEFT_OUT and value}


def _id(told: Fields, part: str) -> str:
    """What the platform repeats: all of it, since `FromUserName` is always `sys`. A welcome code is new at every try."""
    said = [f"{name}={value}" for name, value in sorted(told.items()) if name != "WelcomeCode"]
    return made_of(*said, part)
