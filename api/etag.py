"""Answers that say which version they are, and are not sent again to those who have it."""

import hashlib
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from core.problems import raises

NOT_MODIFIED = "not_modified"  # not a problem: 304

T = TypeVar("T")


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


Cached = Annotated[Versioned, Depends(versioned)]
