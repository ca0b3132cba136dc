"""HTTP as all our routes speak it: problems by RFC 9457, a trace id, and headers that keep answers private.

A route raises what is the case (`core.errors`); here is the only place that knows which status that is. No problem
repeats a value that the sender gave, and an error that nobody foresaw says no more than its trace id, by which the line
in the log is found.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import problems
from core.errors import (
    Contended,
    Forbidden,
    Gone,
    InvalidEvent,
    KeyReused,
    Limited,
    NotFound,
    Outdated,
    Overloaded,
    Refused,
    Running,
    SiyuError,
    Unauthorized,
    Unavailable,
    Unstorable,
)
from core.problems import Language

MEDIA_TYPE = "application/problem+json"
FAULTS_MAX = 100

_log = structlog.get_logger()


class Fault(BaseModel):
    """One thing that is wrong with a request: where (a JSON pointer), a stable code, and a sentence."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """The body of every answer that is an error."""

    type: str = Field(examples=["urn:siyu:problem:not_found"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for machines.")
    errors: list[Fault]
    trace_id: str = Field(description="Also in the header X-Trace-Id, and in our log.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a problem says, before it has a trace id."""

    status: int
    code: str
    detail: str
    errors: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def install(app: FastAPI) -> None:
    """Make every error of *app* a problem, and give every request a trace id."""
    app.add_exception_handler(SiyuError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_ours)
    app.add_middleware(Border)


def problem(scope: Scope, answer: Answer) -> JSONResponse:
    """Return *answer* as the problem response to the request of *scope*, in the language that it asks for."""
    accepted = Headers(scope=scope).get("accept-language", "")
    language = problems.language_of(accepted)
    body = written(answer, scope.get("state", {}).get("trace_id", ""), language)
    headers = {"Content-Language": language, "Vary": "Accept-Language", **answer.headers}
    return JSONResponse(body.model_dump(), answer.status, headers, MEDIA_TYPE)


def written(answer: Answer, trace_id: str, language: Language) -> Problem:
    """Return *answer* as the problem that is told in a *language*."""
    return Problem(
        type=f"urn:siyu:problem:{answer.code}",
        title=problems.title(answer.code, language, HTTPStatus(answer.status).phrase),
        status=answer.status,
        detail=problems.detail(answer.code, answer.detail, language),
        code=answer.code,
        errors=[
            Fault(pointer=each.pointer, code=each.code, detail=problems.detail(each.code, each.detail, language))
            for each in answer.errors[:FAULTS_MAX]
        ],
        trace_id=trace_id,
    )


class Border:
    """Where requests come in and answers go out: trace id, headers, and the last word on errors that nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = _trace_id(scope["headers"])
        scope.setdefault("state", {})["trace_id"] = trace_id
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _add_headers(MutableHeaders(scope=message), trace_id, scope["state"].get("answer_headers", {}))
            await send(message)

        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            try:
                await self._app(scope, receive, send_on)
            except Exception:  # nothing further out could answer, and the sender must learn of it without any detail
                _log.exception("http.unforeseen", method=scope["method"])
                if begun:
                    raise
                await problem(scope, _UNFORESEEN)(scope, receive, send_on)


_UNFORESEEN = Answer(500, "internal_error", "something went wrong here; the trace id leads to it")
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "content_too_large",
    415: "unsupported_media_type",
}
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def _trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the trace that the sender is in (W3C `traceparent`), or begin one."""
    given = next((_TRACEPARENT.fullmatch(value) for name, value in headers if name == b"traceparent"), None)
    return given[1].decode() if given else f"{random.getrandbits(128):032x}"


def _add_headers(headers: MutableHeaders, trace_id: str, more: Mapping[str, str]) -> None:
    headers.update(more)
    headers["X-Trace-Id"] = trace_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")


async def _on_ours(request: Request, error: Exception) -> JSONResponse:
    return answered(request.scope, error)


def answered(scope: Scope, error: Exception) -> JSONResponse:
    """Return the response to the request of *scope* that *error*, one of ours or Starlette's own, ended."""
    return problem(scope, _answer_to_http(error) if isinstance(error, HTTPException) else answer_to(error))


def answer_to(error: Exception) -> Answer:
    """Return what is answered to an *error* of ours; any other is raised again."""
    match error:
        case InvalidEvent():
            fault = Fault(pointer=error.pointer, code=error.code, detail=error.detail)
            return Answer(400, error.code, error.detail, [fault])
        case Unstorable():
            return Answer(400, "unstorable", "a value cannot be stored: a character or a number of it")
        case Unauthorized():
            return Answer(401, "unauthorized", str(error), headers={"WWW-Authenticate": 'Bearer realm="siyu"'})
        case Forbidden():
            return Answer(403, "forbidden", str(error))
        case Limited():
            return Answer(429, "rate_limited", str(error), headers={"Retry-After": str(error.retry_after_seconds)})
        case Gone():
            return Answer(410, "gone", str(error))
        case NotFound():
            return Answer(404, "not_found", str(error))
        case Refused():
            return _answer_to_refused(error)
        case Overloaded():
            return Answer(503, "overloaded", str(error), headers={"Retry-After": str(error.retry_after_seconds)})
        case Unavailable() | Contended():
            return Answer(503, "unavailable", str(error), headers={"Retry-After": "1"})
        case _:
            raise error


def _answer_to_refused(error: Refused) -> Answer:
    match error:
        case KeyReused():
            return Answer(422, "idempotency_key_reused", str(error))
        case Running():
            retry = {"Retry-After": str(error.retry_after_seconds)}
            return Answer(409, "idempotency_in_progress", str(error), headers=retry)
        case Outdated():
            return Answer(412, "precondition_failed", str(error))
        case _:
            return Answer(409, "refused", str(error))


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(fault) for fault in error.errors()[:FAULTS_MAX]]
    return problem(request.scope, Answer(422, "invalid_request", "the request is not of the form asked for", faults))


def _fault(fault: Mapping[str, Any]) -> Fault:
    place, *steps = fault["loc"]
    if place != "body":
        steps = [place, *steps]
    if fault["type"] == "json_invalid":
        steps = []
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return Fault(pointer=pointer, code=fault["type"], detail=_sentence(fault))


def _sentence(fault: Mapping[str, Any]) -> str:
    """What pydantic says, without the part of a parser's message that quotes what it read."""
    said = str(fault["msg"])
    return said.partition(",")[0] if fault["type"].endswith("_parsing") else said


def _answer_to_http(error: HTTPException) -> Answer:
    code = _CODES[error.status_code]
    return Answer(
        error.status_code, code, problems.codes()[code].said[Language.EN].meaning, headers=error.headers or {}
    )
