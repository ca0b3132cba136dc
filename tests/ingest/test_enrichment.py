"""Who is asked about whom, and what comes of the answers; without any platform."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.event import Event, Mention, Role, Trust
from core.identifier import Identifier
from ingest.enrichment import (
    AGAIN_AFTER,
    CUSTOMER,
    OPENID,
    PENDING_FOR,
    UNIONID,
    Outcome,
    Question,
    Source,
    planned,
    told_of_customer,
    told_of_followers,
    told_of_unionid,
)
from tests.ingest.given import NOW

MAIN = Source("wechat:main", OPENID, "wx1", "brand")
HQ = Source("wecom:hq", CUSTOMER, "ww1", "brand")
STRANGE = Source("wecom:other", CUSTOMER, "ww2", "another brand")
SOURCES = [MAIN, HQ, STRANGE]

ANNA = Mention(OPENID, "oAnna", "wx1")
ANNA_UNION = Mention(UNIONID, "uAnna", "brand")
ANNA_CUSTOMER = Mention(CUSTOMER, "wmAnna", "ww1")
ASK_OPENID = Question("wechat:main", ANNA.identifier)
ASK_UNIONID = Question("wecom:hq", ANNA_UNION.identifier, "oAnna")
ASK_CUSTOMER = Question("wecom:hq", ANNA_CUSTOMER.identifier)


def event(*mentions: Mention, type: str = "official_account.followed", **fields: Any) -> Event:
    said = {"channel": "official_account", "source": "wechat:main", "trust": Trust.SERVER, **fields}
    return Event("1", type, occurred_at=NOW, received_at=NOW, identifiers=mentions, **said)


def asked(*events: Event, sources: Sequence[Source] = SOURCES) -> set[Question]:
    return {step.question for step in planned(events, sources) if step.outcome is Outcome.ASK}


def test_who_is_named_without_his_unionid_is_asked_about() -> None:
    assert asked(event(ANNA)) == {ASK_OPENID}
    assert asked(event(ANNA_CUSTOMER, type="wecom.contact_added")) == {ASK_CUSTOMER}


def test_a_unionid_beside_an_openid_is_asked_of_the_corps_of_the_same_brand() -> None:
    assert asked(event(ANNA, ANNA_UNION)) == {ASK_UNIONID}


@pytest.mark.parametrize(
    "named",
    [
        event(Mention(OPENID, "oAnna", "wx2")),
        event(replace(ANNA, role=Role.HINT)),
        event(ANNA, trust=Trust.BROWSER),
        event(ANNA, type="official_account.unfollowed"),
        event(ANNA, type="consent.withdrawn", properties={"erase": True}),
        event(ANNA_CUSTOMER, type="wecom.contact_removed"),
        event(ANNA_CUSTOMER, type="track"),
        event(ANNA_UNION),
        event(ANNA, ANNA_UNION, ANNA_CUSTOMER),
        event(ANNA_CUSTOMER, ANNA_UNION, type="wecom.contact_added"),
        event(),
    ],
    ids=[
        "of another app",
        "a hint",
        "named by the public",
        "left",
        "to be erased",
        "removed",
        "a customer, by the way",
        "a unionid alone",
        "all is known",
        "the customer is known",
        "nobody",
    ],
)
def test_nobody_is_asked_about(named: Event) -> None:
    assert asked(named) == set()


def test_a_unionid_of_somebody_else_in_the_event_is_not_his() -> None:
    assert asked(event(ANNA, replace(ANNA_UNION, role=Role.SHARER))) == {ASK_OPENID}


def test_who_is_known_is_not_asked_about_because_another_event_does_not_know_him() -> None:
    known = event(ANNA, ANNA_UNION, ANNA_CUSTOMER)

    for other in (event(ANNA), event(ANNA, ANNA_UNION)):
        assert asked(other, known) == asked(known, other) == set()


def test_who_left_and_came_again_is_asked_about() -> None:
    left = event(ANNA, type="official_account.unfollowed")

    assert asked(left, event(ANNA)) == {ASK_OPENID}
    assert asked(event(ANNA), left) == set()


def named(document: dict[str, Any]) -> set[str]:
    return {Identifier(**one).text for one in document["identifiers"]}


def answered(document: dict[str, Any]) -> Event:
    mentions = [Mention(one["namespace"], one["value"], one["scope"]) for one in document["identifiers"]]
    return event(*mentions, type=document["type"], source="enrichment:x")


def test_no_answer_brings_the_same_question_again() -> None:
    """From an openid to a unionid to a customer; then there is nothing left to ask."""
    told = {"user_info_list": [{"openid": "oAnna", "unionid": "uAnna", "subscribe": 1}]}
    (first,) = told_of_followers(told, MAIN, [ASK_OPENID], NOW)
    assert first.document
    assert asked(answered(first.document)) == {ASK_UNIONID}

    second = told_of_unionid({"external_userid": "wmAnna"}, HQ, ASK_UNIONID, NOW)
    pending = told_of_unionid({"pending_id": "p1"}, HQ, ASK_UNIONID, NOW)
    third = told_of_customer({"external_contact": {"unionid": "uAnna"}}, HQ, ASK_CUSTOMER, NOW)
    for answer in (second, pending, third):
        assert answer.document
        assert asked(answered(answer.document)) == set()


def test_of_a_follower_no_more_is_kept_than_is_of_use() -> None:
    person = {"openid": "oAnna", "unionid": "uAnna", "subscribe": 1, "nickname": "A", "remark": "VIP", "sex": 2}
    following = {"subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene_str": "", "subscribe_time": 1793710867}

    (answer,) = told_of_followers({"user_info_list": [person | following]}, MAIN, [ASK_OPENID], NOW)

    assert answer.document
    assert answer.document["properties"] == {"subscribe_scene": "ADD_SCENE_QR_CODE", "subscribe_time": 1793710867}
    assert named(answer.document) == {"wechat_openid@wx1:oAnna", "wechat_unionid@brand:uAnna"}
    assert (answer.document["type"], answer.document["strength"]) == ("identify", "platform")
    assert "oAnna" not in answer.document["id"]
    assert answer.again_after is None


def test_of_who_follows_no_more_only_the_unionid_is_told() -> None:
    gone = {"openid": "oAnna", "unionid": "uAnna", "subscribe": 0, "subscribe_time": 0}

    (answer,) = told_of_followers({"user_info_list": [gone]}, MAIN, [ASK_OPENID], NOW)

    assert answer.document
    assert answer.document["properties"] == {}


def test_an_answer_that_tells_nothing_makes_no_event_and_is_asked_again_later() -> None:
    others = {"user_info_list": [{"openid": "oBert", "unionid": "uBert"}]}
    answers = [
        *told_of_followers({"user_info_list": [{"openid": "oAnna", "subscribe": 1}]}, MAIN, [ASK_OPENID], NOW),
        *told_of_followers(others, MAIN, [ASK_OPENID], NOW),
        *told_of_followers({}, MAIN, [ASK_OPENID], NOW),
        told_of_customer({"external_contact": {"type": 2}}, HQ, ASK_CUSTOMER, NOW),
        told_of_customer({"external_contact": "no"}, HQ, ASK_CUSTOMER, NOW),
        told_of_unionid({"errcode": 0}, HQ, ASK_UNIONID, NOW),
    ]

    assert [(answer.document, answer.again_after) for answer in answers] == [(None, AGAIN_AFTER)] * 6


def test_a_number_that_an_employee_noted_links_nobody() -> None:
    told = {
        "external_contact": {"external_userid": "wmAnna", "name": "Anna", "unionid": "uAnna"},
        "follow_user": [{"userid": "a", "remark_mobiles": ["13912345678"]}, {"userid": "b", "remark_mobiles": None}],
    }

    answer = told_of_customer(told, HQ, ASK_CUSTOMER, NOW)

    assert answer.document
    assert answer.document["properties"] == {"remark_mobiles": ["13912345678"]}
    assert named(answer.document) == {"wecom_external_userid@ww1:wmAnna", "wechat_unionid@brand:uAnna"}


def test_who_uses_wecom_himself_has_a_company_and_no_unionid() -> None:
    contact = {"external_userid": "wmAnna", "type": 2, "corp_name": "四域", "corp_full_name": "四域科技有限公司"}

    answer = told_of_customer({"external_contact": contact}, HQ, ASK_CUSTOMER, NOW)

    assert answer.document
    assert answer.document["company"] == {"name": "四域科技有限公司"}
    assert named(answer.document) == {"wecom_external_userid@ww1:wmAnna"}
    assert answer.again_after == AGAIN_AFTER


def test_a_pending_id_is_kept_with_its_end_and_names_nobody() -> None:
    answer = told_of_unionid({"pending_id": "p1"}, HQ, ASK_UNIONID, NOW)

    assert answer.document
    assert named(answer.document) == {"wechat_unionid@brand:uAnna"}
    until = (NOW + timedelta(days=90)).isoformat()
    assert answer.document["properties"] == {"pending_id": "p1", "pending_until": until}
    assert answer.again_after == PENDING_FOR


def test_what_is_told_twice_has_the_same_id() -> None:
    def ids(seconds: int) -> list[str]:
        then = NOW + timedelta(seconds=seconds)
        documents = [
            told_of_unionid({"pending_id": "p1"}, HQ, ASK_UNIONID, then).document,
            told_of_unionid({"external_userid": "wmAnna"}, HQ, ASK_UNIONID, then).document,
            told_of_customer({"external_contact": {"unionid": "uAnna"}}, HQ, ASK_CUSTOMER, then).document,
        ]
        return [document["id"] for document in documents if document]

    assert ids(0) == ids(99)
    assert len({*ids(0)}) >= 2
