"""Requests to Siyu: with the key, within a time, and again where that is harmless."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from siyu.remote.errors import TryLater, Unreachable, problem_of

ATTEMPTS_MAX = 5
WAIT_SECONDS_MAX = 30.0
STREAM_SILENCE_SECONDS = 45.0  # three heartbeats


class Transport:
    """Asks the Siyu at *url* with *key*. Safe to share between threads."""

    def __init__(self, url: str, key: str, timeout_seconds: float, attempts_max: int) -> None:
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "siyu-client"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, follow_redirects=True)
        self._attempts_max = attempts_max

    def request(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Return the answer; raises a `SiyuProblem`.

        What was refused for now, or not answered, is asked again: each request that changes something bears an
        `Idempotency-Key`, so that it happens once.
        """
        headers = {**what.pop("headers", {})}
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid4()))
        again = Retrying(
            retry=retry_if_exception_type((TryLater, Unreachable)),
            stop=stop_after_attempt(self._attempts_max),
            wait=_wait,
            reraise=True,
        )
        return again(self._once, method, path, headers, what)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Open an answer that does not end. Raises a `SiyuProblem`, also where it breaks off or falls silent."""
        timeout = httpx.Timeout(10.0, read=STREAM_SILENCE_SECONDS)
        try:
            with self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise problem_of(answer)
                yield answer
        except httpx.TransportError as error:
            raise Unreachable(f"the stream broke off: {type(error).__name__}") from error

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _once(self, method: str, path: str, headers: Mapping[str, str], what: Mapping[str, Any]) -> httpx.Response:
        try:
            answer = self._http.request(method, path, headers=headers, **what)
        except httpx.TransportError as error:
            raise Unreachable(f"no answer: {type(error).__name__}") from error
        if answer.status_code >= 400:
            raise problem_of(answer)
        return answer


def backoff_seconds(failures: int) -> float:
    """Return how long to wait after so many failures: longer each time, and never the same for two who failed together."""
    return min(WAIT_SECONDS_MAX, 0.1 * 2.0**failures) * (0.5 + random.random() / 2)  # noqa: S311 - no secret


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TryLater) and error.retry_after else 0.0
    return min(asked, WAIT_SECONDS_MAX) + backoff_seconds(state.attempt_number)
