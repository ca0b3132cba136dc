"""Lists in pages: an opaque cursor, a limit, and where the next page is."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import StringConstraints, TypeAdapter, ValidationError

from api import table
from api.schemas import Page, PageEnd
from api.table import Sheet
from core.errors import InvalidEvent
from core.problems import raises

LIMIT = 50
LIMIT_MAX = 200
CURSOR_LENGTH_MAX = 2_000

UUID_TEXT = StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

T = TypeVar("T")
U = TypeVar("U")


class Asked:
    """Which page of a list is asked for, and in what form."""

    def __init__(self, request: Request, response: Response, cursor: str | None, limit: int) -> None:
        self.limit = limit
        self._request = request
        self._response = response
        self._cursor = cursor

    def after(self, kind: TypeAdapter[T]) -> T | None:
        """Return the place to go on from, `None` for the beginning. Raises `InvalidEvent` for a cursor not of ours."""
        return None if self._cursor is None else _read(kind, self._cursor)

    def answer(self, data: Sequence[T], following: object) -> Page[T]:
        """Return *data* as the page before the place *following* (`None`: it is the last)."""
        cursor = _write(following)
        self._response.headers.update(self._links(cursor))
        return Page(data=list(data), page=PageEnd(next_cursor=cursor, has_more=cursor is not None))

    def answer_either(self, data: Sequence[T], following: object, sheet: Sheet[T]) -> Page[T] | Response:
        """Return the same page, as a table where one is asked for."""
        if not table.is_wanted(self._request.headers.get("accept", "")):
            self._response.headers["Vary"] = "Accept"
            return self.answer(data, following)
        return table.response(sheet, data, {"Vary": "Accept", **self._links(_write(following))})

    def _links(self, cursor: str | None) -> dict[str, str]:
        if cursor is None:
            return {}
        kept = [(name, value) for name, value in self._request.query_params.multi_items() if name != "cursor"]
        path = self._request.scope["raw_path"].partition(b"?")[0].decode("ascii")
        return {"Link": f'<{path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}


@raises("invalid_cursor")
async def asked(
    request: Request,
    response: Response,
    cursor: Annotated[
        str | None, Query(max_length=CURSOR_LENGTH_MAX, description="`page.next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
) -> Asked:
    """Return the page that this request asks for."""
    return Asked(request, response, cursor, limit)


Paged = Annotated[Asked, Depends(asked)]


def cut(found: Sequence[T], most: int, place: Callable[[T], U]) -> tuple[Sequence[T], U | None]:
    """Return up to *most* of *found*, and the place behind them where there are more."""
    return (found[:most], place(found[most - 1])) if len(found) > most else (found, None)


def document(description: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI is told of a list that can be had as a table too."""
    return {200: {"description": description, "content": {table.MEDIA_TYPE: {"schema": {"type": "string"}}}}}


def _write(place: object) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(orjson.dumps(place)).rstrip(b"=").decode()


def _read(kind: TypeAdapter[T], written: str) -> T:
    try:
        return kind.validate_json(base64.urlsafe_b64decode(written.encode() + b"=" * (-len(written) % 4)))
    except (binascii.Error, ValidationError):
        raise InvalidEvent("invalid_cursor", "this is not a cursor of this list", "/query/cursor") from None
