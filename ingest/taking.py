"""The way of every callback: proven, read, brought into the log, and answered as its platform wishes."""

from fastapi import Request, Response

from core.errors import InvalidEvent
from ingest import body
from ingest.callback import Answer, Callback, Platform
from ingest.intake import Intake, sender

CALLBACK_BYTES_MAX = 256 << 10


async def take(platform: Platform, request: Request, intake: Intake, public_url: str) -> Response:
    """Answer one callback of *platform*.

    What is proven and cannot be taken is kept in quarantine, and answered like the rest: the platform would only send it
    again. Raises `Forbidden` for what is not proven, `Unavailable` when the log does not have it: then the platform tries
    again.
    """
    return await taken(platform, await received(request, intake, public_url), intake)


async def taken(platform: Platform, callback: Callback, intake: Intake) -> Response:
    """Do the same with a callback that is read already."""
    content = platform.proven(callback)
    try:
        documents = platform.documents(content, callback)
    except InvalidEvent as error:
        await intake.keep(content, platform.source, error.code, error.detail)
    else:
        await intake.take_all(documents, sender(platform.source), content)
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
