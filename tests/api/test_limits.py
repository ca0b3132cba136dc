"""How often one may ask, and what he is told of it."""

import httpx
import pytest
from fastapi import FastAPI

from api.attempts import GUESSES_MAX
from api.limits import KEYS_MAX, Limits
from core.errors import Limited
from tests.api.client import asking


def test_who_asks_is_told_what_is_left_to_him() -> None:
    time = 0.0
    limits = Limits(60, lambda: time)

    assert limits.take("a") == {"RateLimit-Policy": '"key";q=60;w=60', "RateLimit": '"key";r=59;t=1'}
    for _ in range(59):
        limits.check("a")
        limits.take("a")
    with pytest.raises(Limited) as limited:
        limits.check("a")
    limits.check("b")
    time = 1.0
    limits.check("a")

    assert limited.value.retry_after_seconds == 1


def test_of_very_many_keys_the_latest_are_remembered() -> None:
    limits = Limits(1, lambda: 0.0)
    for number in range(KEYS_MAX + 5):
        limits.take(str(number))

    assert len(limits._buckets) == KEYS_MAX


def test_a_key_that_asks_too_often_is_told_when_to_come_again(app: FastAPI, administrator: httpx.Client) -> None:
    object.__setattr__(app.state.context, "limits", Limits(2, lambda: 0.0))

    answers = [administrator.get("/v1/me") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit"] == '"key";r=1;t=30'
    assert (answers[2].json()["code"], answers[2].headers["retry-after"]) == ("rate_limited", "30")


def test_who_guesses_keys_is_not_heard_any_more_and_others_are(app: FastAPI, administrator: httpx.Client) -> None:
    administrator.get("/v1/me")
    with asking(app, "siyu_sk_guessed") as guesser:
        answers = [guesser.get("/v1/me").status_code for _ in range(GUESSES_MAX + 1)]

    assert answers == [401] * GUESSES_MAX + [429]
    assert administrator.get("/v1/me").status_code == 200
