"""What is answered about what people do, over HTTP: what each figure is of, and what cannot be asked."""

from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from api.behaviour_answers import WINDOW_DAYS_MAX
from tests.api.world import World

DAY = 24 * 60.0
PHONE, OTHER = "phone:+8613900000001", "phone:+8613900000002"
STEPS = {"steps": [{"types": ["sms.delivered"]}, {"types": ["sms.clicked"]}, {"types": ["order.paid"]}]}
FIGURES = ["rates", "unfollows", "funnel", "retention", "attribution", "k", "sources", "response-time"]


def to(phone: str) -> dict[str, str]:
    namespace, _, value = phone.partition(":")
    return {"namespace": namespace, "value": value, "role": "recipient"}


def campaign(world: World) -> None:
    """Two are sent a text; one clicks and buys two days later. A robot clicks too, and somebody whom nobody knows."""
    named = {"campaign": {"id": "autumn"}, "channel": "sms"}
    for phone in (PHONE, OTHER):
        for type_ in ("sms.sent", "sms.delivered"):
            world.happens(to(phone), type=type_, minute=-9 * DAY, **named)
    world.happens(PHONE, type="sms.clicked", minute=-8 * DAY, **named)
    world.happens("user_id:null", type="sms.clicked", minute=-8 * DAY, **named)
    world.happens(OTHER, type="sms.clicked", minute=-8 * DAY, properties={"bot": True}, **named)
    world.happens(PHONE, type="order.paid", channel="shop", minute=-6 * DAY, order={"id": "o1", "amount": 900})


def asked(client: httpx.Client, figure: str, body: Any = None, **parameters: Any) -> Any:
    method, json = ("POST", body or STEPS) if figure == "funnel" else ("GET", None)
    answer = client.request(method, f"/v1/metrics/{figure}", params=parameters, json=json)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_says_what_it_is_of(figure: str, world: World, marketer: httpx.Client) -> None:
    campaign(world)

    told = asked(marketer, figure, as_of="2026-11-20T08:00:00+08:00", **{"from": "2026-11-01", "to": "2026-12-01"})

    assert told["numerator"]
    assert told["denominator"]
    assert (told["as_of"], told["zone"]) == ("2026-11-20T08:00:00+08:00", "+08:00")
    assert (told["from"], told["to"]) == ("2026-11-01", "2026-12-01")
    assert told["left_out"].keys() == {"robots", "nobody"}


def test_rates_say_what_became_of_a_campaign(world: World, marketer: httpx.Client) -> None:
    campaign(world)

    told = asked(marketer, "rates", by="campaign")

    assert (told["people"], told["left_out"]) == (2, {"robots": 1, "nobody": 1})
    [texts] = told["messages"]
    assert (texts["channel"], texts["of"]) == ("sms", "autumn")
    assert texts["stages"]["clicked"] == {"people": 1, "events": 1, "robots": 1}
    assert (texts["stages"]["opened"], texts["open_rate"]) == (None, None)
    assert texts["click_rate"] == texts["conversion_rate"] == {"numerator": 1, "denominator": 2, "rate": 0.5}
    assert texts["conversion_rate_of_clicked"]["rate"] == 1


def test_a_funnel_says_how_far_people_came(world: World, marketer: httpx.Client) -> None:
    campaign(world)

    told = asked(marketer, "funnel")
    named = {"types": ["sms.delivered"], "where": {"campaign.id": {"is_in": ["spring"]}}}
    other = asked(marketer, "funnel", {"steps": [named], "within_days": 1})

    assert [step["people"] for step in told["steps"]] == [2, 1, 1]
    assert told["steps"][2]["of_first"] == {"numerator": 1, "denominator": 2, "rate": 0.5}
    assert told["steps"][2]["median_seconds"] == 2 * 86_400
    assert told["within_days"] == 7
    assert (other["people"], other["steps"][0]["of_first"]["rate"]) == (0, None)


def test_a_conversion_is_owed_to_what_led_there(world: World, marketer: httpx.Client) -> None:
    campaign(world)

    by_campaign = asked(marketer, "attribution", by="campaign")
    clicks = asked(marketer, "attribution", conversion=["sms.clicked"])

    [owed] = by_campaign["owed"]
    assert (by_campaign["conversions"], by_campaign["amount"], by_campaign["people"]) == (1, 900, 1)
    assert (owed["key"], owed["touched"], set(owed["conversions"].values())) == ("autumn", 1, {1.0})
    assert set(owed["amount"].values()) == {900.0}
    assert [each["key"] for each in clicks["owed"]] == [None]


def test_retention_is_of_those_who_did_something_themselves(world: World, marketer: httpx.Client) -> None:
    campaign(world)

    told = asked(marketer, "retention", periods=2)
    texted = asked(marketer, "retention", begins=["sms.delivered"], active=["order.paid"], periods=2)

    assert [each for each in told["cohorts"] if each["people"]] == [
        {"begins": "2026-11-09", "people": 1, "active": [None, None]}
    ]
    assert told["left_out"] == {"robots": 1, "nobody": 1}
    assert [(each["begins"], each["people"]) for each in texted["cohorts"] if each["people"]] == [("2026-11-09", 2)]
    assert texted["people"] == 2


def test_k_is_told_of_each_generation(world: World, marketer: httpx.Client) -> None:
    article = {"id": "a1"}
    world.happens("user_id:a", type="article.read", article=article, minute=1)
    world.happens("user_id:a", type="article.shared", article=article, share={"token": "ta"}, minute=2)
    world.happens("user_id:b", type="article.read", article=article, share={"token": "ta"}, minute=3)

    told = asked(marketer, "k", article="a1")

    assert told["articles"][0]["k"] == {"numerator": 1, "denominator": 2, "rate": 0.5}
    assert [each["rate"] for each in told["articles"][0]["generations"]] == [1, 0]
    assert asked(marketer, "k")["articles"] == told["articles"]
    assert marketer.get("/v1/metrics/k", params={"article": "other"}).status_code == 404


def test_sources_are_those_of_who_came_in_meanwhile(world: World, marketer: httpx.Client) -> None:
    campaign(world)

    told = asked(marketer, "sources", **{"from": "2026-11-09"})

    assert told["people"] == 2
    assert {each["channel"]: (each["first"]["numerator"], each["last"]["numerator"]) for each in told["channels"]} == {
        "sms": (2, 1),
        "shop": (0, 1),
    }
    assert asked(marketer, "sources", **{"from": "2026-11-15"})["people"] == 0


def test_unfollows_and_waits_are_told(world: World, marketer: httpx.Client) -> None:
    fan = "wechat_openid@wx1:oABCDEFGHIJKLMNOPQRSTUVWXYZ0"
    world.happens(fan, type="official_account.followed", channel="official_account", minute=-90 * DAY)
    world.happens(fan, type="article.pushed", channel="official_account", article={"id": "a1"}, minute=-2 * DAY)
    world.happens(fan, type="official_account.unfollowed", channel="official_account", minute=-1 * DAY)
    world.happens(fan, type="support.opened", channel="official_account", minute=-1 * DAY)

    [push] = asked(marketer, "unfollows")["pushes"]
    waits = asked(marketer, "response-time")["waits"]

    assert (push["article"], push["account"], push["at"]) == ("a1", "wx1", "2026-11-17T00:00:00Z")
    assert push["pushed"] == push["followers"] == {"numerator": 1, "denominator": 1, "rate": 1}
    assert asked(marketer, "unfollows", within_hours=12)["pushes"][0]["pushed"]["numerator"] == 0
    assert (waits[0]["people"], waits[0]["unanswered"], waits[0]["median_seconds"]) == (1, 1, None)


@pytest.mark.parametrize("figure", FIGURES)
def test_where_nothing_happened_there_is_nothing_and_no_error(figure: str, marketer: httpx.Client) -> None:
    told = asked(marketer, figure)

    assert (told["people"], told["left_out"]) == (0, {"robots": 0, "nobody": 0})


@pytest.mark.parametrize(
    ("figure", "wrong", "pointer"),
    [
        ("rates", {"from": "2026-11-21"}, "/query/from"),
        ("rates", {"from": "2024-11-21"}, "/query/from"),
        ("rates", {"from": "0001-01-01", "to": "0001-01-02"}, "/query/to"),
        ("rates", {"to": "9999-01-01"}, "/query/to"),
        ("rates", {"as_of": "9999-12-31T23:59:59-12:00"}, "/query/as_of"),
        ("rates", {"by": "person"}, "/query/by"),
        ("rates", {"conversion": "bought"}, "/query/conversion/0"),
        ("unfollows", {"within_hours": 0}, "/query/within_hours"),
        ("retention", {"periods": 25}, "/query/periods"),
        ("retention", {"period": "day"}, "/query/period"),
        ("attribution", {"lookback_days": "nan"}, "/query/lookback_days"),
        ("attribution", {"by": "article"}, "/query/by"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_parameter(
    figure: str, wrong: dict[str, Any], pointer: str, marketer: httpx.Client
) -> None:
    answer = marketer.get(f"/v1/metrics/{figure}", params=wrong)

    assert answer.status_code in {400, 422}
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "wrong",
    [{"steps": []}, {"steps": [{"types": []}]}, {"steps": [{"types": ["bought"]}]}, {**STEPS, "within_days": 401}],
)
def test_a_funnel_that_cannot_be_is_refused(wrong: Any, marketer: httpx.Client) -> None:
    assert marketer.post("/v1/metrics/funnel", json=wrong).status_code == 422


def test_as_many_days_can_be_asked_about_as_there_may_be(marketer: httpx.Client) -> None:
    assert WINDOW_DAYS_MAX == 400

    assert asked(marketer, "rates", **{"from": "2025-10-17"})["people"] == 0


@pytest.mark.parametrize("figure", FIGURES)
def test_who_has_no_key_is_told_nothing(figure: str, anybody: httpx.Client) -> None:
    assert anybody.request("POST" if figure == "funnel" else "GET", f"/v1/metrics/{figure}").status_code == 401


def test_who_waits_too_long_for_his_turn_is_told_to_come_again(
    app: FastAPI, marketer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.context.TURN_SECONDS_MAX", 0.05)
    app.state.context = replace(app.state.context, measuring=anyio.Semaphore(0))

    busy = marketer.get("/v1/metrics/rates")

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "10")


def test_pareto_says_what_comes_from_the_few(world: World, marketer: httpx.Client) -> None:
    for who, amount in (("a", 900), ("b", 50), ("c", 50)):
        order = {"id": f"o-{who}", "amount": amount}
        world.happens(f"user_id:{who}", type="order.paid", channel="shop", order=order)

    told = asked(marketer, "pareto")

    assert (told["people"], told["amount"], told["currency"]) == (3, 1_000, "CNY")
    assert told["tops"][3] == {"percent": 20, "people": 1, "amount": 900, "share": 0.9}
    assert told["gini"] == pytest.approx(0.5667, abs=1e-4)
