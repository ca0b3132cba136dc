"""What people decide about identities: asking for it, what it would change, and the record of who decided what and why."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AwareDatetime, StringConstraints, TypeAdapter

from api import pages, schemas, shown
from api.access import Clear, Writer, look
from api.context import Context, Here
from api.pages import Paged
from api.schemas import Page
from api.transactions import Snapshot
from core.directive import Directive, DirectiveId, Wish, directive_of, under_key
from core.errors import Overloaded
from core.keys import Key, Scope
from core.problems import OF_IDENTIFIERS, raises
from stitcher import deciding, directives
from stitcher.carrying_out import Preview

DECIDERS_MAX = 4  # requests that hold a thread while they wait for what they have decided
TURN_SECONDS_MAX = 5.0
KEY_LENGTH_MAX = 200

router = APIRouter(prefix="/v1/directives", tags=["directives"])

_PLACE = TypeAdapter(tuple[AwareDatetime, DirectiveId])

LATER: dict[int | str, dict[str, Any]] = {
    202: {
        "model": schemas.DirectiveOut,
        "description": "It is in the log and will be carried out: `carried_out_at` is null, see Location.",
    }
}

IsPreview = Annotated[bool, Query(alias="preview", description="Only say what it would change.")]
SendersKey = Annotated[
    str | None,
    StringConstraints(min_length=1, max_length=KEY_LENGTH_MAX),
    Header(alias="Idempotency-Key", description="Sent again with the same key, the same is decided once."),
]


class Deciding:
    """Who decides by this request, whether he only wants to know what it would change, and all that this takes."""

    def __init__(
        self, here: Context, key: Key, response: Response, *, is_preview: bool, senders_key: str | None
    ) -> None:
        self.clear = key.may(Scope.PEOPLE_READ_PII)
        self._here = here
        self._by = f"key:{key.id}"
        self._response = response
        self._is_preview = is_preview
        self._senders_key = senders_key

    def answer(
        self, wish: Wish, shown_as: Callable[[Preview], schemas.PreviewOut] | None = None
    ) -> schemas.DirectiveOut | schemas.PreviewOut:
        """Do what *wish* says and return what has become of it, or say what it would change, *shown_as* the route wants it.

        Raises `InvalidEvent`, with a pointer, `NotFound`, `Refused`, `Unavailable` and `Contended`.
        """
        directive = self._directive(wish)
        if not self._is_preview:
            return self._decided(directive)
        told = deciding.preview(self._here.engine, directive, self._here.rules, self._here.index, self._here.clock())
        return shown_as(told) if shown_as else shown.preview(told, clear=self.clear)

    def _directive(self, wish: Wish) -> Directive:
        directive = directive_of(wish, self._by, self._here.clock())
        return under_key(directive, self._senders_key) if self._senders_key else directive

    def _decided(self, directive: Directive) -> schemas.DirectiveOut:
        deciding.decide(self._here.engine, self._here.publish, directive, self._here.rules)
        recorded = deciding.awaited(self._here.engine, directive, deciding.WAIT_SECONDS_MAX)
        if recorded.carried_out_at is None:
            self._response.status_code = 202
            self._response.headers["Location"] = f"{router.prefix}/{directive.id}"
        return shown.directive(recorded, self._here.index, clear=self.clear)


@raises(
    "invalid_directive",
    "never_links",
    "unstorable",
    "refused",
    "not_found",
    "overloaded",
    "unavailable",
    *OF_IDENTIFIERS,
)
async def turn(
    request: Request,
    here: Here,
    key: Writer,
    response: Response,
    is_preview: IsPreview = False,
    senders_key: SendersKey = None,
) -> AsyncIterator[Deciding]:
    """Wait until one more may decide. Raises `Overloaded` where that takes too long."""
    if key.may(Scope.PEOPLE_READ_PII):
        await here.audit(look(request, here, key))
    try:
        with anyio.fail_after(TURN_SECONDS_MAX):
            await here.deciding.acquire()
    except TimeoutError:
        raise Overloaded("too many decisions are waited for") from None
    try:
        yield Deciding(here, key, response, is_preview=is_preview, senders_key=senders_key)
    finally:
        here.deciding.release()


Turn = Annotated[Deciding, Depends(turn, scope="function")]


@router.post("", responses=LATER)
def decide(wish: Wish, turn: Turn) -> schemas.DirectiveOut | schemas.PreviewOut:
    """Decide that identifiers are one person's, or never are, or name nobody; or take something back, as if it had never been."""
    return turn.answer(wish)


@router.get("")
def listing(
    here: Here,
    connection: Snapshot,
    asked: Paged,
    clear: Clear,
    identifier_id: Annotated[UUID | None, Query(description="Those about this identifier.")] = None,
    subject: Annotated[UUID | None, Query(description="Those about this identifier, event or directive.")] = None,
) -> Page[schemas.DirectiveOut]:
    """Return what was decided, by whom and why, the latest first."""
    subjects = [str(each) for each in (identifier_id, subject) if each]
    after, most = asked.after(_PLACE), asked.limit + 1
    found = (
        directives.about(connection, subjects, most, after) if subjects else directives.listing(connection, after, most)
    )
    kept, following = pages.cut(found, asked.limit, lambda last: (last.directive.decided_at, last.directive.id))
    return asked.answer([shown.directive(each, here.index, clear=clear) for each in kept], following)


@router.get("/{directive_id}")
@raises("not_found")
def show(directive_id: UUID, here: Here, connection: Snapshot, clear: Clear) -> schemas.DirectiveOut:
    """Return one directive, and what has become of it."""
    return shown.directive(directives.found(connection, str(directive_id)), here.index, clear=clear)
