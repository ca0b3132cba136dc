"""Answers that say which version they are, are not sent again to those who have it, and are changed only by those who do."""

import hashlib
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from core.errors import Outdated
from core.problems import raises

NOT_MODIFIED = "not_modified"  # not a problem: 304

T = TypeVar("T")
T_Out = TypeVar("T_Out", bound=BaseModel)


class Versioned:
    """The reader's `If-None-Match`, and the answer to it."""

    def __init__(self, request: Request, response: Response) -> None:
        self._known = request.headers.get("if-none-match", "")
        self._response = response

    def answer(self, tag: str, made: Callable[[], T]) -> T | Response:
        """Return what *made* makes, under the strong ETag *tag* (ASCII), or 304 where the reader has it already."""
        headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if self._has(headers["ETag"]):
            return Response(status_code=304, headers=headers)
        self._response.headers.update(headers)
        return made()

    def answer_at(self, version: int, out: T_Out) -> T_Out | Response:
        """Return *out*, which is at *version*; what else it says may change without that."""
        return self.answer(tag_at(version, out), lambda: out)

    def _has(self, etag: str) -> bool:
        """Compare weakly, as If-None-Match does (RFC 9110, §13.1.2): a proxy that compresses may have weakened it."""
        tags = {each.strip().removeprefix("W/") for each in self._known.split(",")}
        return etag in tags or "*" in tags


def digest(of: BaseModel) -> str:
    """Return a tag for all that an answer says: some of it changes as time passes, or by a list, and no event tells."""
    return hashlib.sha256(of.model_dump_json().encode()).hexdigest()[:32]


@raises(NOT_MODIFIED)
async def versioned(request: Request, response: Response) -> Versioned:
    """Return the versions that the reader of this request has."""
    return Versioned(request, response)


class Expected:
    """The sender's `If-Match`: which version he has seen of what he changes."""

    def __init__(self, given: str | None, response: Response) -> None:
        self._given = given
        self._response = response

    def check(self, version: int) -> None:
        """Raise `Outdated` where he has seen another one. What else an answer said may have changed: that is not his."""
        if self._given is None:
            return
        seen = {each.strip().strip('"').partition(".")[0] for each in self._given.split(",")}
        if not seen & {"*", str(version)}:
            raise Outdated(f"it is at version {version} by now")

    def answer_at(self, version: int, out: T_Out) -> T_Out:
        """Return *out*, which is at *version* now."""
        self._response.headers["ETag"] = f'"{tag_at(version, out)}"'
        return out


@raises("precondition_failed")
async def expected(
    response: Response,
    if_match: Annotated[str | None, Header(max_length=1_000, description="The ETag of what is to be changed.")] = None,
) -> Expected:
    """Return which version the sender of this request has seen."""
    return Expected(if_match, response)


def tag_at(version: int, out: BaseModel) -> str:
    """Return the tag of what says *out* and is at *version*, by which alone `Expected` compares."""
    return f"{version}.{digest(out)}"


Cached = Annotated[Versioned, Depends(versioned)]
Changing = Annotated[Expected, Depends(expected)]
