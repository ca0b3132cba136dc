"""Asking about buying over HTTP: what is answered, and who may ask."""

from dataclasses import replace
from threading import Event
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from api.metrics import HORIZON_WEEKS_MAX
from core.keys import Scope
from profiles.rfm import rfm
from tests.api.world import World

DAY = 24 * 60.0

FIGURES = ["rfm", "repurchase", "value"]


def paid(world: World, who: str, order: str, amount: int, days_ago: float, **fields: Any) -> None:
    bought = {"id": order, "amount": amount, "currency": fields.pop("currency", "CNY")}
    world.happens(who, type="order.paid", channel="shop", order=bought, minute=-days_ago * DAY, **fields)


def shop(world: World) -> None:
    """Of twelve people each second came again, once or several times; and a robot came too."""
    for person in range(12):
        for number in range(1 + (person % 2) * (1 + person // 3)):
            paid(world, f"user_id:p{person}", f"o{person}-{number}", 1_000 + 100 * person, 200 - 13 * number - person)
    paid(world, "user_id:robot", "o-robot", 9, 3, properties={"bot": True})


def asked(client: httpx.Client, figure: str, **parameters: Any) -> Any:
    answer = client.get(f"/v1/metrics/{figure}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_says_what_it_is_of(figure: str, world: World, marketer: httpx.Client) -> None:
    shop(world)

    told = asked(marketer, figure, as_of="2026-11-20T08:00:00+08:00", **{"from": "2026-01-01", "to": "2026-12-01"})

    assert told["numerator"]
    assert "robots" in told["denominator"]
    assert (told["as_of"], told["zone"]) == ("2026-11-20T08:00:00+08:00", "+08:00")
    assert (told["from"], told["to"], told["currency"]) == ("2026-01-01", "2026-12-01", "CNY")
    assert told["people"] == 12
    assert told["left_out"] == {"robots": 1, "nobody": 0}


def test_rfm_counts_people_by_their_scores(world: World, marketer: httpx.Client) -> None:
    shop(world)

    told = asked(marketer, "rfm")

    assert sum(cell["people"] for cell in told["cells"]) == 12
    assert sum(cell["share"] for cell in told["cells"]) == pytest.approx(1)
    assert {band["score"] for band in told["bands"]["recency"]} == {1, 2, 3, 4, 5}
    assert told["cells"][0]["frequency"] == 5


def test_rfm_is_of_what_was_bought_between_the_days_asked_for(world: World, marketer: httpx.Client) -> None:
    paid(world, "user_id:a", "o1", 100, 10)
    paid(world, "user_id:a", "o2", 30, 3)
    paid(world, "user_id:b", "o3", 50, 10)

    told = asked(marketer, "rfm", **{"from": "2026-11-12"})

    assert (told["people"], [cell["amount"] for cell in told["cells"]]) == (1, [30])


def test_repurchase_is_of_those_who_first_bought_between_the_days_asked_for(
    world: World, marketer: httpx.Client
) -> None:
    paid(world, "user_id:a", "o1", 100, 10)
    paid(world, "user_id:a", "o2", 30, 3)
    paid(world, "user_id:b", "o3", 50, 3)

    told = asked(marketer, "repurchase", to="2026-11-12")

    assert (told["people"], told["again"], told["rate"]) == (1, 1, 1.0)
    assert told["steps"][0]["days"]["p50"] == 7
    assert told["steps"][1] == {"nth": 2, "bought": 1, "again": 0, "rate": 0.0, "days": None}
    assert asked(marketer, "repurchase")["rate"] == 0.5


def test_value_says_what_is_expected_and_of_whom_most(world: World, marketer: httpx.Client) -> None:
    shop(world)

    told = asked(marketer, "value", horizon_weeks=10)
    longer = asked(marketer, "value", horizon_weeks=20)

    assert told["again"] == 6
    assert 0 < told["alive"] <= 12
    assert 0 < told["expected_purchases"] < longer["expected_purchases"]
    assert len(told["top"]) == 12
    amounts = [each["expected_amount"] for each in told["top"]]
    assert amounts == sorted(amounts, reverse=True)
    assert sum(amounts) == pytest.approx(told["expected_amount"])
    assert told["top"][0]["person_id"] in {world.person(f"user_id:p{number}") for number in range(12)}


@pytest.mark.parametrize("figure", FIGURES)
def test_where_nothing_was_bought_there_is_nothing_and_no_error(figure: str, marketer: httpx.Client) -> None:
    told = asked(marketer, figure)

    assert told["people"] == 0
    assert told.get("cells", []) == told.get("steps", []) == told.get("top", []) == []


def test_without_anybody_who_came_again_there_is_no_model(world: World, marketer: httpx.Client) -> None:
    paid(world, "user_id:a", "o1", 100, 10)

    told = asked(marketer, "value")

    assert (told["people"], told["buying"], told["expected_purchases"], told["top"]) == (1, None, None, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "yuan"},
        {"from": "yesterday"},
        {"as_of": "2026-11-20T00:00:00"},
        {"as_of": "0001-01-01T00:00:00+14:00"},
        {"as_of": "9999-12-31T23:59:59-12:00"},
        {"horizon_weeks": 0},
        {"horizon_weeks": HORIZON_WEEKS_MAX + 1},
        {"horizon_weeks": "nan"},
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_parameter(wrong: dict[str, Any], marketer: httpx.Client) -> None:
    answer = marketer.get("/v1/metrics/value", params=wrong)

    assert answer.status_code in {400, 422}
    assert answer.json()["errors"][0]["pointer"] == f"/query/{next(iter(wrong))}"


@pytest.mark.parametrize("figure", FIGURES)
def test_who_has_no_key_is_told_nothing(figure: str, anybody: httpx.Client) -> None:
    assert anybody.get(f"/v1/metrics/{figure}").status_code == 401


def test_one_is_worked_out_at_a_time_and_who_waits_too_long_is_told_to_come_again(
    app: FastAPI, marketer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.context.TURN_SECONDS_MAX", 0.05)
    app.state.context = replace(app.state.context, measuring=anyio.Semaphore(0))

    busy = marketer.get("/v1/metrics/rfm")

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "10")


def test_others_are_answered_while_a_figure_is_worked_out(
    app: FastAPI, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the event loop nor a connection is held meanwhile."""
    done = Event()
    monkeypatch.setattr("api.metrics.scored", lambda bought: (done.wait(10), rfm(bought))[1])
    headers = {"Authorization": f"Bearer {world.key(Scope.PEOPLE_READ)}"}
    answered: list[str] = []

    async def ask(client: httpx.AsyncClient, path: str) -> None:
        assert (await client.get(path)).status_code == 200
        answered.append(path)

    async def both() -> None:
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://siyu.test", headers=headers) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(ask, client, "/v1/metrics/rfm")
            while app.state.context.measuring.value:
                await anyio.sleep(0.01)
            for _ in range(3):
                await ask(client, "/v1/articles")
            done.set()

    anyio.run(both)

    assert answered == ["/v1/articles"] * 3 + ["/v1/metrics/rfm"]
