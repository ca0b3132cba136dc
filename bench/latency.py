"""How long an answer takes, over HTTP, one question at a time, of a running API: medians and 99th percentiles."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import httpx

QUESTIONS = 400


def measure(
    url: str, key: str, users: Sequence[int], articles: Sequence[str], seed: int = 1
) -> Mapping[str, Sequence[float]]:
    """Ask each kind of question of *users* and *articles* chosen by *seed*, and return the seconds that each answer took."""
    choose = random.Random(seed)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        people = [_person(client, choose.choice(users)) for _ in range(QUESTIONS)]
        asked: Mapping[str, Callable[[], httpx.Response]] = {
            "lookup": lambda: client.post("/v1/people/lookup", json={"identifiers": [_openid(choose.choice(users))]}),
            "profile": lambda: client.get(f"/v1/people/{choose.choice(people)}"),
            "timeline": lambda: client.get(f"/v1/people/{choose.choice(people)}/timeline"),
            "readers": lambda: client.get(f"/v1/articles/{choose.choice(articles)}/readers"),
            "readers with filters": lambda: client.get(
                f"/v1/articles/{choose.choice(articles)}/readers?follower=false&min_generation=2&min_intent=1"
            ),
            "share tree": lambda: client.get(f"/v1/articles/{choose.choice(articles)}/share-tree"),
            "stats": lambda: client.get(f"/v1/articles/{choose.choice(articles)}/stats"),
        }
        return {name: [_seconds(ask) for _ in range(QUESTIONS)] for name, ask in asked.items()}


def table(measured: Mapping[str, Sequence[float]]) -> list[tuple[str, float, float, float]]:
    """Return name, median, 99th percentile and maximum of each, in milliseconds."""
    return [
        (name, _ms(statistics.median(taken)), _ms(statistics.quantiles(taken, n=100)[98]), _ms(max(taken)))
        for name, taken in measured.items()
    ]


def _ms(seconds: float) -> float:
    return round(1_000 * seconds, 1)


def _person(client: httpx.Client, user: int) -> str:
    found = client.post("/v1/people/lookup", json={"identifiers": [_openid(user)]}).raise_for_status()
    return str(found.json()["data"][0]["person_id"])


def _openid(user: int) -> str:
    return f"wechat_openid@wx-weibo:u{user}"


def _seconds(ask: Callable[[], httpx.Response]) -> float:
    started = time.perf_counter()
    ask().raise_for_status()
    return time.perf_counter() - started
