"""What all simulated platforms do: send, try again as the platform does, and judge the answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx

Accepts = Callable[[httpx.Response], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a platform expects of us: what it sent, what it wanted, what it got."""

    name: str
    expected: str
    seen: str
    is_right: bool


Simulator = Callable[[httpx.Client], Iterator[Check]]


def deliver(
    client: httpx.Client,
    request: Callable[[], httpx.Request],
    accepts: Accepts,
    waits_seconds: Sequence[float],
    sleep: Callable[[float], None] = time.sleep,
) -> httpx.Response | None:
    """Send what *request* makes, and again after each of *waits_seconds* until the platform accepts the answer.

    Returns the last answer, `None` where there was none at all. Each try is made anew: a platform that signs the time
    signs it again.
    """
    answer = _tried(client, request())
    for wait_seconds in waits_seconds:
        if answer is not None and accepts(answer):
            break
        sleep(wait_seconds)
        answer = _tried(client, request())
    return answer


def check(name: str, answer: httpx.Response | None, expected: str, accepts: Accepts) -> Check:
    """Judge *answer* by what the platform accepts; *expected* says that in words."""
    seen = "no answer" if answer is None else f"{answer.status_code} {answer.text[:60]!r}"
    return Check(name, expected, seen, answer is not None and accepts(answer))


def _tried(client: httpx.Client, request: httpx.Request) -> httpx.Response | None:
    try:
        return client.send(request)
    except httpx.TransportError:
        return None
