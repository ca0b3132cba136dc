"""Callbacks: what a platform posts by its own protocol is proven, read, brought into the log, and answered in its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fastapi import Request, Response

from core.errors import InvalidEvent
from core.keys import Key
from ingest import body
from ingest.intake import Intake

Document = dict[str, Any]
CALLBACK_BYTES_MAX = 256 << 10


@dataclass(frozen=True, slots=True)
class Callback:
    """A request as it came: nothing in it is parsed before it is proven.

    *url* is the public one, with its query, which is what some platforms sign; *body* is decompressed; header names are
    in lower case.
    """

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform wants to hear once the log has what it said."""

    content: bytes = b""
    media_type: str = "text/plain"
    status: int = 200


class Platform(Protocol):
    """The protocol of one account. Nothing in it reads or writes."""

    @property
    def key(self) -> Key:
        """In whose name it sends."""

    @property
    def answer(self) -> Answer:
        """What it wants to hear."""

    def proven(self, callback: Callback) -> bytes:
        """Return the content that the platform vouches for: verified, and decrypted where it is encrypted.

        Raises `Forbidden` where it does not, `InvalidEvent` where it cannot even be asked.
        """

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the events that *content* tells, as a sender would write them. Raises `InvalidEvent` where it tells none.

        Each has an id made of what the platform repeats when it sends again.
        """


async def take(platform: Platform, request: Request, intake: Intake, public_url: str) -> Response:
    """Answer one callback of *platform*.

    What is proven and cannot be taken is kept in quarantine, and answered like the rest: the platform would only send it
    again. Raises `Forbidden` for what is not proven, `Unavailable` when the log does not have it: then the platform tries
    again.
    """
    callback = await received(request, intake, public_url)
    content = platform.proven(callback)
    try:
        documents = platform.documents(content, callback)
    except InvalidEvent as error:
        await intake.keep(content, platform.key.source, error.code, error.detail)
    else:
        await intake.take_all(documents, platform.key, content)
    return respond(platform.answer)


async def received(request: Request, intake: Intake, public_url: str) -> Callback:
    """Read *request* whole; answers 413 for more than 256 KiB."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Callback(
        request.method,
        f"{public_url or str(request.base_url).rstrip('/')}{request.url.path}{query}",
        request.query_params,
        request.headers,
        await body.read(request, CALLBACK_BYTES_MAX),
        intake.clock(),
    )


def respond(answer: Answer) -> Response:
    """Return *answer* as a response."""
    return Response(answer.content, answer.status, media_type=answer.media_type)
