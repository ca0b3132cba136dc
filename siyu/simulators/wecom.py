"""WeCom as it behaves towards a server: checks the address within a second, seals all that it says, and comes again."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from core.clock import Clock, system_clock
from ingest.wechat.envelope import STALE_MAX
from ingest.wecom import WeComAccount
from siyu.simulators.posting import Post, Sleep, posted, refused
from siyu.simulators.sealing import Fields, Stamp, sealed, xml
from siyu.simulators.sending import Check, Simulator, check

CHECK_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
WAITS_SECONDS = (5.0, 5.0)

_ECHO = "5927782489442352469"
_CUSTOMER = "wmSimulated00000000000000000001"
_AUTHORISED = "wwSimulatedCustomer"


def simulator(name: str, account: WeComAccount, clock: Clock = system_clock, sleep: Sleep = time.sleep) -> Simulator:
    """Return what pushes to the server of the corp called *name*; a suite hears of a corp that authorised it."""

    def run(client: httpx.Client) -> Iterator[Check]:
        client.timeout = httpx.Timeout(TIMEOUT_SECONDS)
        path, at = f"/collect/wecom/{name}", clock()
        yield from _checked_address(client, path, account, at)
        story = [pushed(account, told, at) for told in _story(account, at)]
        yield from posted(client, path, [*story, replace(story[0], name="sends it again")], WAITS_SECONDS, sleep)
        yield from posted(client, path, _attacks(account, story, at), WAITS_SECONDS, sleep)

    return run


def pushed(account: WeComAccount, told: Fields, at: datetime, receiver: str | None = None) -> Post:
    """Return the push of *told*, sealed for *receiver* (by default the one of the account)."""
    name = ".".join(str(told[part]) for part in ("Event", "InfoType", "ChangeType") if told.get(part))
    meant_for = account.receiver if receiver is None else receiver
    encrypted = sealed(account.encoding_aes_key, xml(told), meant_for)
    content = xml({"ToUserName": meant_for, "AgentID": "", "Encrypt": encrypted})
    query = Stamp.of(account.token, at).signed("msg_signature", encrypted)
    return Post(name, lambda: (content, {"Content-Type": "text/xml"}), content="", query=query)


def _checked_address(client: httpx.Client, path: str, account: WeComAccount, at: datetime) -> Iterator[Check]:
    encrypted = sealed(account.encoding_aes_key, _ECHO.encode(), account.receiver)
    signed = {**Stamp.of(account.token, at).signed("msg_signature", encrypted), "echostr": encrypted}
    answer = client.get(path, params=signed, timeout=CHECK_SECONDS)
    yield check("checks the address", answer, _ECHO, lambda it: it.status_code == 200 and it.text == _ECHO)
    answer = client.get(path, params=signed | {"nonce": "another"})
    yield check("another checks the address", answer, "403", lambda it: it.status_code == 403)


def _attacks(account: WeComAccount, story: list[Post], at: datetime) -> Iterator[Post]:
    told = _contact(account, at, "add_external_contact", ExternalUserID="wmForged")
    genuine = pushed(account, told, at)
    another = account.model_copy(update={"token": "another"})
    yield refused("signed by another", pushed(another, told, at))
    yield refused("says something else", replace(genuine, query=story[0].query))
    yield refused("meant for another", pushed(account, told, at, "wwAnother"))
    yield refused("replays what is old", pushed(account, told, at - STALE_MAX - timedelta(minutes=1)))
    in_clear = xml(told)
    yield refused("says it in clear", replace(genuine, made=lambda: (in_clear, {})))


def _event(account: WeComAccount, at: datetime, name: str, **fields: Any) -> dict[str, Any]:
    seconds = int(at.timestamp())
    if account.suite_id:
        head = {"SuiteId": account.suite_id, "AuthCorpId": _AUTHORISED, "InfoType": name, "TimeStamp": seconds}
    else:
        head = {"ToUserName": account.corp_id, "FromUserName": "sys", "CreateTime": seconds, "MsgType": "event"}
        head["Event"] = name
    return {**head, **fields}


def _contact(account: WeComAccount, at: datetime, change: str, **fields: Any) -> dict[str, Any]:
    named = {"ChangeType": change, "UserID": "zhangsan", "ExternalUserID": _CUSTOMER, **fields}
    return _event(account, at, "change_external_contact", **named)


def _story(account: WeComAccount, at: datetime) -> Iterator[Fields]:
    for change, more in _CHANGES.items():
        yield _contact(account, at, change, **more)
    for name, change, more in _OTHERS:
        yield _event(account, at, name, **({"ChangeType": change} if change else {}), **more)
    if account.suite_id:
        yield {"SuiteId": account.suite_id, "InfoType": "suite_ticket", "TimeStamp": int(at.timestamp()), **_TICKET}


_TICKET = {"SuiteTicket": "TICKET"}
_CHANGES: Mapping[str, Fields] = {
    "add_external_contact": {"State": "simulated", "WelcomeCode": "WELCOMECODE"},
    "add_half_external_contact": {"State": "simulated", "WelcomeCode": "WELCOMECODE"},
    "edit_external_contact": {},
    "del_external_contact": {"Source": "DELETE_BY_TRANSFER"},
    "del_follow_user": {},
    "transfer_fail": {"FailReason": "customer_refused"},
    "msg_audit_approved": {"WelcomeCode": "WELCOMECODE"},
}
_OTHERS: tuple[tuple[str, str, Fields], ...] = (
    ("change_external_chat", "create", {"ChatId": "wrSimulated1"}),
    (
        "change_external_chat",
        "update",
        {"ChatId": "wrSimulated1", "UpdateDetail": "add_member", "JoinScene": 1, "MemChangeCnt": 10},
    ),
    ("change_external_chat", "dismiss", {"ChatId": "wrSimulated1"}),
    ("change_external_tag", "create", {"Id": "stSimulated1", "TagType": "tag", "StrategyId": 1}),
    ("customer_acquisition", "friend_request", {"LinkId": "cawcde1", "State": "simulated"}),
    ("customer_acquisition", "customer_start_chat", {"UserID": "zhangsan", "ExternalUserID": _CUSTOMER}),
    ("msgaudit_notify", "", {"AgentID": 2_000_004}),
    ("kf_msg_or_event", "", {"Token": "ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR", "OpenKfId": "wkxxxxxxx"}),
    ("invented_tomorrow", "", {"Detail": "unknown"}),
)
