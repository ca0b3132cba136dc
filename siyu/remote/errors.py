"""What can go wrong when Siyu is asked: a tree by what the caller does about it, told apart by the problem's stable `code`.

* SiyuProblem
  + Invalid         the request is wrong and will stay wrong: `errors` say where
  + Unauthorized    no key, or one that opens nothing (any more)
  + Forbidden       the key does not reach so far
  + NotFound        nobody has heard of it
    - Gone          it was taken back
  + Conflict        it contradicts what is there, or somebody changed it meanwhile
  + TryLater        too much at once, or something is down: after `retry_after` seconds
  + Unreachable     no answer at all
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx


class SiyuProblem(Exception):
    """An answer that is none: *status* and *code* by RFC 9457, the *trace_id* by which the operator finds it in his log."""

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        code: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        trace_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        where = "".join(f"; {each.get('pointer')}: {each.get('detail')}" for each in errors)
        super().__init__(f"{detail}{where}" + (f" (trace {trace_id})" if trace_id else ""))
        self.status = status
        self.code = code
        self.errors = errors
        self.trace_id = trace_id
        self.retry_after = retry_after


class Invalid(SiyuProblem):
    """The request is not of the form asked for."""


class Unauthorized(SiyuProblem):
    """No key was given, or it opens nothing (any more)."""


class Forbidden(SiyuProblem):
    """The key lacks the scope for this."""


class NotFound(SiyuProblem):
    """Nobody has heard of it."""


class Gone(NotFound):
    """All that was known of it was taken back."""


class Conflict(SiyuProblem):
    """It contradicts what is recorded, or is at another version by now."""


class TryLater(SiyuProblem):
    """Too much is asked at once, or something that Siyu needs does not answer."""


class Unreachable(SiyuProblem):
    """Nothing answered; what was asked may or may not have happened."""


_BY_STATUS: Mapping[int, type[SiyuProblem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TryLater,
    502: TryLater,
    503: TryLater,
    504: TryLater,
}


def problem_of(answer: httpx.Response) -> SiyuProblem:
    """Return the error that *answer*, one of status 400 or more, is."""
    try:
        told = answer.json()
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    after = answer.headers.get("retry-after", "")
    return _BY_STATUS.get(answer.status_code, SiyuProblem)(
        str(told.get("detail") or f"it answered {answer.status_code}"),
        status=answer.status_code,
        code=str(told.get("code", "")),
        errors=told.get("errors", ()),
        trace_id=str(told.get("trace_id", "")),
        retry_after=float(after) if after.isdigit() else None,
    )
