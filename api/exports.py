"""Asking for exports, which take longer than a request: a job is queued, watched, and its file fetched."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field, JsonValue
from sqlalchemy import Connection

from api.access import Reader, reader
from api.context import Context, Here, turn
from api.exporting.wishes import WISH, Wish
from api.reading import reading
from api.transactions import Snapshot, transaction_of
from core import jobs
from core.audit import Look
from core.errors import Forbidden, NotFound, Refused
from core.jobs import Job, Status
from core.keys import Scope
from core.problems import raises

router = APIRouter(prefix="/v1", tags=["exports"])


class RowsOut(BaseModel):
    """How far an export is. *expected* is null before it began; where each row is looked at by itself, there can be fewer."""

    done: int
    expected: int | None


class JobOut(BaseModel):
    """An export: what was asked for, and what has become of it."""

    id: str
    status: Status
    asked: Annotated[dict[str, JsonValue], Field(description="As it was asked for.")]
    rows: RowsOut
    error: str | None
    asked_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    expires_at: Annotated[AwareDatetime | None, Field(description="When it is forgotten, with its file.")]
    size_bytes: int | None
    result: Annotated[str | None, Field(description="Where the file is, once it is done.")]


Asking = Annotated[Connection, Depends(transaction_of(reader), scope="function")]


@router.post("/exports", status_code=202)
@raises("forbidden", "overloaded")
def ask(
    wish: Annotated[Wish, Body(discriminator="what")],
    here: Here,
    key: Reader,
    connection: Asking,
    response: Response,
) -> JobOut:
    """Ask for an export; a process of ours makes it. Only the key that asked for it, and an administrator, can see it."""
    if wish.clear and not key.may(Scope.PEOPLE_READ_PII):
        raise Forbidden(f"this shows who people are: it needs a key with the scope {Scope.PEOPLE_READ_PII}")
    job = jobs.ask(connection, key.id, wish.model_dump(mode="json"), here.clock(), is_clear=wish.clear)
    response.headers["Location"] = _address(job)
    return _shown(job)


@raises("not_found")
def own(job_id: UUID, key: Reader, connection: Snapshot) -> Job:
    """Return the job in the path. Raises `NotFound`, also where it is another's."""
    job = jobs.found(connection, str(job_id))
    if job.key != key.id and not key.may(Scope.ADMIN):
        raise NotFound("there is no such job, or it ended too long ago")
    return job


Own = Annotated[Job, Depends(own, scope="function")]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}


@router.get("/jobs/{job_id}")
def show(job: Own) -> JobOut:
    """Return how far an export is."""
    return _shown(job)


@router.get("/jobs/{job_id}/result", response_class=StreamingResponse, responses=_FILE)
@raises("refused")
async def result(job: Own, here: Here, key: Reader) -> StreamingResponse:
    """Return the file of an export that is done."""
    if job.status is not Status.DONE:
        raise Refused(f"this export is {job.status}")
    wish = WISH.validate_python(job.asked)
    if job.is_clear:
        words = {**job.asked, "job": job.id}
        await here.audit(Look(here.clock(), key.id, f"export of {wish.what}", words, job.rows_done, key.session))
    headers = {
        "Content-Disposition": f'attachment; filename="siyu-{wish.what}.{wish.format}"',
        "Content-Length": str(job.size_bytes),
    }
    return StreamingResponse(_parts(here, job), media_type=wish.format.media_type, headers=headers)


async def _parts(here: Context, job: Job) -> AsyncIterator[bytes]:
    """Return the file part by part; between two of them no connection waits for the one who reads."""
    for number in range(-(-(job.size_bytes or 0) // jobs.PART_BYTES_MAX)):
        async with turn(here):
            part = await run_in_threadpool(_part, here, job.id, number)
        yield part


def _part(here: Context, job_id: str, number: int) -> bytes:
    with reading(here.engine) as connection:
        return jobs.part(connection, job_id, number)


def _shown(job: Job) -> JobOut:
    return JobOut(
        id=job.id,
        status=job.status,
        asked=dict(job.asked),
        rows=RowsOut(done=job.rows_done, expected=job.rows_expected),
        error=job.error,
        asked_at=job.asked_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        expires_at=job.expires_at,
        size_bytes=job.size_bytes,
        result=f"{_address(job)}/result" if job.status is Status.DONE else None,
    )


def _address(job: Job) -> str:
    return f"{router.prefix}/jobs/{job.id}"
