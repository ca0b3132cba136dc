"""Companies as they are asked for: who is of which and why, how much business there is, and right after every change."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from profiles import company_intent, intent, rollup
from profiles.rollup import Judging
from profiles.scoring import Scoring
from stitcher.rebuild import rebuild
from tests.api.world import INDEX, NOW, RULES, World

ANN, BEN, CID = "email:ann@mail.acme.com", "email:ben@acme.com", "email:cid@gmail.com"
DAN = "user_id:dan"
ACME = {"name": "Acme Co., Ltd."}


def asked(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/companies{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def judged(engine: Engine, after: timedelta = timedelta()) -> list[rollup.Judged]:
    """Return all companies as they are judged some time after now; each by itself is the same."""
    with transaction(engine) as connection:
        everyone = rollup.everyone(connection)
        assert {company: rollup.found(connection, company) for company in everyone} == everyone
        return Judging(Scoring(intent.shipped(), NOW + after), company_intent.shipped()).all(connection)


def members(client: httpx.Client, company: str) -> dict[str, list[str]]:
    """Return who is of *company*, and what says so."""
    told = asked(client, f"/{company}/people")["data"]
    return {each["person_id"]: [because["ground"] for because in each["because"]] for each in told}


def test_mailboxes_at_work_make_a_company_and_free_ones_none(world: World, marketer: httpx.Client) -> None:
    for mailbox in (ANN, BEN, CID, "email:eve@mailinator.com"):
        world.happens(mailbox)

    (acme,) = asked(marketer, "")["data"]

    assert (acme["id"], acme["domain"], acme["people"]) == ("acme.com", "acme.com", 2)
    assert members(marketer, "acme.com") == {world.person(ANN): ["work_mail"], world.person(BEN): ["work_mail"]}


def test_a_declared_company_counts_where_no_mailbox_says_otherwise(world: World, marketer: httpx.Client) -> None:
    world.happens(ANN, company={"name": "Elsewhere"})
    world.happens(CID, company={"name": "Acme", "domain": "www.acme.com"})
    world.happens(DAN, company=ACME)

    companies = {each["id"]: each for each in asked(marketer, "")["data"]}

    assert companies.keys() == {"acme.com"} | {id_ for id_ in companies if id_.startswith("name-")}
    assert companies["acme.com"]["people"] == 2
    assert members(marketer, "acme.com")[world.person(CID)] == ["declared"]
    (other,) = companies.keys() - {"acme.com"}
    assert companies[other]["name"] == "Acme Co., Ltd."
    assert members(marketer, other) == {world.person(DAN): ["declared"]}


def test_what_somebody_said_last_counts(world: World, marketer: httpx.Client) -> None:
    world.happens(DAN, company={"name": "Now"}, minute=2)
    world.happens(DAN, company={"name": "Before"}, minute=1)

    assert [each["name"] for each in asked(marketer, "")["data"]] == ["Now"]


def test_a_corp_that_wecom_tells_is_a_company(world: World, marketer: httpx.Client) -> None:
    world.happens(
        "wecom_external_userid@ww1:wm", channel="wecom", strength="platform", company={"name": "四域有限公司"}
    )

    (company,) = asked(marketer, "")["data"]

    assert company["name"] == "四域有限公司"
    assert members(marketer, company["id"])[world.person("wecom_external_userid@ww1:wm")] == ["wecom_corp"]


def test_a_name_that_is_alike_only_suggests(world: World, marketer: httpx.Client) -> None:
    world.happens(ANN)
    world.happens(DAN, company=ACME)
    world.happens(CID, company={"name": "Other"})

    whole = asked(marketer, "/acme.com")

    assert whole["people"] == 1
    (suggestion,) = whole["suggestions"]
    assert (suggestion["name"], suggestion["ours"], suggestion["theirs"]) == (
        "Acme Co., Ltd.",
        "acme",
        "Acme Co., Ltd.",
    )
    (back,) = asked(marketer, f"/{suggestion['id']}")["suggestions"]
    assert back["id"] == "acme.com"


def test_the_intent_of_a_company_is_made_up_of_that_of_its_people(world: World, marketer: httpx.Client) -> None:
    world.happens(ANN, type="form.submitted")
    world.happens(BEN, type="support.opened", channel="web")
    world.happens("email:x@quiet.com", type="mail.delivered", channel="mail")

    first, last = asked(marketer, "")["data"]

    intent_ = first["intent"]
    assert (first["id"], last["id"], last["intent"]["score"]) == ("acme.com", "quiet.com", 0)
    assert [each["person_id"] for each in intent_["contributions"]] == [world.person(ANN), world.person(BEN)]
    assert intent_["base"] == round(sum(each["points"] for each in intent_["contributions"]), 2)
    assert (intent_["people"], intent_["bonus"]) == (2, 3)
    assert intent_["score"] == round(intent_["base"] + intent_["bonus"])
    for each in intent_["contributions"]:
        alone = marketer.get(f"/v1/people/{each['person_id']}/intent").json()["score"]
        assert each["score"] == alone


def test_a_company_that_does_more_than_it_used_to_surges(world: World, marketer: httpx.Client) -> None:
    for week in range(1, 9):
        world.happens(ANN, type="page.viewed", minute=-week * 7 * 24 * 60)
        world.happens("email:x@calm.com", type="page.viewed", minute=-week * 7 * 24 * 60)
    for minute in range(6):
        world.happens(ANN, type="page.viewed", minute=minute)
    world.happens("email:x@calm.com", type="page.viewed")

    (surging,) = asked(marketer, "", surging=True)["data"]

    assert surging["id"] == "acme.com"
    assert surging["intent"]["surge"] == {"events": 6, "expected": 1.0, "ratio": 6.0, "z": 5.0, "surging": True}
    assert [each["id"] for each in asked(marketer, "", surging=False)["data"]] == ["calm.com"]


def test_what_all_its_people_did_is_one_timeline_in_pages(world: World, marketer: httpx.Client) -> None:
    for minute in range(5):
        world.happens(ANN if minute % 2 else BEN, minute=minute)
    world.happens(CID, minute=9)

    first = asked(marketer, "/acme.com/timeline", limit=3)
    rest = asked(marketer, "/acme.com/timeline", limit=3, cursor=first["page"]["next_cursor"])

    lines = first["data"] + rest["data"]
    assert [line["event"]["occurred_at"] for line in lines] == sorted(
        (line["event"]["occurred_at"] for line in lines), reverse=True
    )
    assert [line["person_id"] for line in lines] == [world.person(each) for each in (BEN, ANN, BEN, ANN, BEN)]
    assert not rest["page"]["has_more"]
    assert "ann@" not in str(lines)


def test_companies_and_their_people_come_in_pages(world: World, marketer: httpx.Client) -> None:
    for number in range(5):
        world.happens(f"email:x@company{number}.com", type="form.submitted" if number % 2 else "page.viewed")
        world.happens(f"email:p{number}@acme.com")

    def pages_of(path: str, name: str) -> list[str]:
        found, cursor = [], None
        while True:
            page = asked(marketer, path, limit=2, **({"cursor": cursor} if cursor else {}))
            found += [each[name] for each in page["data"]]
            cursor = page["page"]["next_cursor"]
            if not cursor:
                return found

    assert pages_of("", "id")[:2] == ["company1.com", "company3.com"]
    assert len({*pages_of("", "id")}) == 6
    assert sorted(pages_of("/acme.com/people", "person_id")) == sorted(
        world.person(f"email:p{number}@acme.com") for number in range(5)
    )


def test_a_company_that_nobody_is_of_is_not_found(marketer: httpx.Client) -> None:
    assert marketer.get("/v1/companies/acme.com").status_code == 404


def test_a_robot_is_of_no_company(world: World, marketer: httpx.Client) -> None:
    world.happens(DAN, company=ACME, context={"bot": True})

    assert asked(marketer, "")["data"] == []


def test_scores_of_many_are_those_of_each(engine: Engine, world: World) -> None:
    for minute, kind in enumerate(
        ("form.submitted", "article.read", "article.read", "page.viewed", "mail.unsubscribed")
    ):
        world.happens(
            ANN,
            type=kind,
            minute=-minute * 9_000,
            properties={"dwell_ms": 70_000 * minute, "scroll": 0.9, "path": "/pricing"},
        )

    for days in (0, 3, 30, 300):
        (acme,) = judged(engine, timedelta(days=days))
        with transaction(engine) as connection:
            each = Scoring(intent.shipped(), NOW + timedelta(days=days)).of_people(connection, acme.company.members)
        assert {person: acme.score_of(person) for person in each} == {
            person: said.score for person, said in each.items()
        }


def test_a_merge_a_split_and_a_retraction_leave_what_a_rebuild_gives(engine: Engine, world: World) -> None:
    world.happens(ANN, type="form.submitted")
    declared = world.happens(DAN, type="support.opened", company=ACME)
    asked_us = world.happens(BEN, DAN, type="article.liked")

    def as_a_rebuild_gives() -> list[rollup.Judged]:
        before = judged(engine)
        with transaction(engine) as connection:
            rebuild(connection, RULES, INDEX, NOW)
        assert judged(engine) == before
        return before

    (together,) = as_a_rebuild_gives()
    assert len(together.company.members) == 2

    world.decide(Kind.MUST_LINK, ANN, BEN)
    (one,) = as_a_rebuild_gives()
    assert len(one.company.members) == 1

    world.decide(Kind.CANNOT_LINK, ANN, BEN, minute=1)
    assert as_a_rebuild_gives() == [together]

    world.decide(Kind.RETRACT, event=asked_us, minute=2)
    assert {each.company.name for each in as_a_rebuild_gives()} == {"acme.com", "Acme Co., Ltd."}
    world.decide(Kind.RETRACT, event=declared, minute=3)
    assert [each.company.id for each in as_a_rebuild_gives()] == ["acme.com"]
