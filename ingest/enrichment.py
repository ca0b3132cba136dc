"""What is asked of platforms about those whom events name, and what their answers tell. Nothing here reads or writes.

An official account tells the unionid of its follower, a corp that of its customer, and whether the owner of a unionid is a
customer of its. Each question is for what the event lacks, and its answer, an event too, has just that: so no answer
brings the same question again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from core.event import Event, Mention, Role, Trust
from core.identifier import Identifier
from ingest.callback import Document
from ingest.proof import made_of, part, parts, said, text

OPENID, UNIONID, CUSTOMER = "wechat_openid", "wechat_unionid", "wecom_external_userid"
AGAIN_AFTER = timedelta(
    days=30
)  # what has no answer may have one when the account was bound to an Open Platform account
PENDING_FOR = timedelta(days=90)
MOBILES_MAX = 5
MOBILE_LENGTH_MAX = 32

_MET = frozenset({"wecom.contact_added", "wecom.contact_edited"})
_LEFT = frozenset({"official_account.unfollowed", "wecom.contact_removed"})


@dataclass(frozen=True, slots=True)
class Source:
    """An account that can be asked about identifiers of *namespace* and *scope*; *open_platform* is where its unionids are."""

    account: str
    namespace: str
    scope: str
    open_platform: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What *account* is asked about the owner of *identifier*; *beside* goes with it."""

    account: str
    identifier: Identifier
    beside: str | None = None


class Outcome(StrEnum):
    """What an event means for a question."""

    ASK = "ask"
    KNOWN = "known"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Step:
    """A question, and what became of it."""

    question: Question
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a *question*: an event, if it told anything, and when it may be asked again (`None`: never)."""

    question: Question
    document: Document | None = None
    again_after: timedelta | None = AGAIN_AFTER


def planned(events: Iterable[Event], sources: Sequence[Source]) -> Sequence[Step]:
    """Return what *events*, in their order, mean for questions, one step for each.

    What an event knows is not asked because another one does not; who left and came again is asked about.
    """
    last: dict[tuple[str, Identifier], Step] = {}
    for event in events:
        for step in steps(event, sources):
            key = (step.question.account, step.question.identifier)
            if step.outcome is not Outcome.ASK or key not in last or last[key].outcome is not Outcome.KNOWN:
                last[key] = step
    return list(last.values())


def steps(event: Event, sources: Sequence[Source]) -> Iterator[Step]:
    """Say what *event* means for questions to *sources*. What the public sends may name anybody, so nobody is asked about it."""
    if event.trust is Trust.BROWSER:
        return
    for mention in event.identifiers:
        if mention.role is Role.HINT:
            continue
        for source in sources:
            if (mention.namespace, mention.scope) == (source.namespace, source.scope):
                yield from _about(event, mention, source, sources)


def _about(event: Event, mention: Mention, source: Source, sources: Sequence[Source]) -> Iterator[Step]:
    unionid = _beside(event, mention, UNIONID, source.open_platform)
    question = Question(source.account, mention.identifier)
    if event.type in _LEFT or event.properties.get("erase") is True:
        yield Step(question, Outcome.LEFT)
    elif unionid is None:
        if source.namespace == OPENID or event.type in _MET:
            yield Step(question, Outcome.ASK)
    else:
        yield Step(question, Outcome.KNOWN)
        yield from _about_customer(event, mention, unionid, source, sources)


def _about_customer(
    event: Event, mention: Mention, unionid: Mention, source: Source, sources: Sequence[Source]
) -> Iterator[Step]:
    """Where somebody's unionid is known, corps of the same Open Platform account can say which of their customers he is."""
    for corp in sources:
        if corp.namespace != CUSTOMER or not source.open_platform or corp.open_platform != source.open_platform:
            continue
        if _beside(event, unionid, CUSTOMER, corp.scope):
            yield Step(Question(corp.account, unionid.identifier), Outcome.KNOWN)
        elif mention.namespace == OPENID:
            yield Step(Question(corp.account, unionid.identifier, mention.value), Outcome.ASK)


def _beside(event: Event, mention: Mention, namespace: str, scope: str) -> Mention | None:
    """Return what else *event* calls the one whom *mention* names."""
    wanted = (namespace, scope, mention.role)
    return next((one for one in event.identifiers if (one.namespace, one.scope, one.role) == wanted), None)


def told_of_followers(
    told: Mapping[str, Any], source: Source, questions: Sequence[Question], now: datetime
) -> Sequence[Answer]:
    """Return what an official account answers about many followers. Of who follows no more it tells but the unionid."""
    by_openid = {text(one, "openid"): one for one in parts(told, "user_info_list")}
    return [_of_follower(by_openid.get(each.identifier.value, {}), source, each, now) for each in questions]


def _of_follower(told: Mapping[str, Any], source: Source, question: Question, now: datetime) -> Answer:
    unionid = text(told, "unionid")
    if not unionid:
        return Answer(question)
    follows = text(told, "subscribe") == "1"
    properties = {name: told.get(name) for name in _OF_FOLLOWING} if follows else {}
    named = [question.identifier, Identifier(UNIONID, source.open_platform, unionid)]
    return Answer(question, _identified("official_account", source, named, properties, now), None)


_OF_FOLLOWING = ("subscribe_scene", "qr_scene_str", "subscribe_time")


def told_of_customer(told: Mapping[str, Any], source: Source, question: Question, now: datetime) -> Answer:
    """Return what a corp answers about a customer.

    Numbers that its employees noted of him are typed by hand, and prove nothing: they are properties, and link nobody. Of who
    uses WeCom himself it tells his company, but no unionid.
    """
    contact = part(told, "external_contact")
    unionid = text(contact, "unionid")
    company = text(contact, "corp_full_name") or text(contact, "corp_name")
    if not unionid and not company:
        return Answer(question)
    mobiles = [mobile for one in parts(told, "follow_user") for mobile in _mobiles(one.get("remark_mobiles"))]
    properties = {"remark_mobiles": list(dict.fromkeys(mobiles))[:MOBILES_MAX]}
    named = [question.identifier, *([Identifier(UNIONID, source.open_platform, unionid)] if unionid else [])]
    document = _identified("wecom", source, named, properties, now, *([company] if company else []))
    if company:
        document["company"] = {"name": company}
    return Answer(question, document, None if unionid else AGAIN_AFTER)


def told_of_unionid(told: Mapping[str, Any], source: Source, question: Question, now: datetime) -> Answer:
    """Return what a corp answers about the owner of a unionid.

    Of somebody who is no customer yet it tells a pending id, which names him nowhere else: it is a property, and ends.
    """
    if customer := text(told, "external_userid"):
        named = [Identifier(CUSTOMER, source.scope, customer), question.identifier]
        return Answer(question, _identified("wecom", source, named, {}, now), None)
    if pending := text(told, "pending_id"):
        properties = {"pending_id": pending, "pending_until": (now + PENDING_FOR).isoformat()}
        document = _identified("wecom", source, [question.identifier], properties, now, pending)
        return Answer(question, document, PENDING_FOR)
    return Answer(question)


def _identified(
    channel: str,
    source: Source,
    named: Sequence[Identifier],
    properties: Mapping[str, Any],
    now: datetime,
    *more: str,
) -> Document:
    """Return the event that a platform names somebody. It has the same id however often it is told."""
    return {
        "id": made_of(source.account, *(one.text for one in named), *more),
        "type": "identify",
        "channel": channel,
        "occurred_at": now.isoformat(),
        "identifiers": [{"namespace": one.namespace, "scope": one.scope, "value": one.value} for one in named],
        "strength": "platform",
        "properties": said(properties),
    }


def _mobiles(listed: object) -> Sequence[str]:
    noted = listed if isinstance(listed, list) else []
    return [one for one in noted if isinstance(one, str) and 0 < len(one) <= MOBILE_LENGTH_MAX]
