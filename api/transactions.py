"""The one state that a request is answered from, the one transaction that it writes in, and the person that an id leads to."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Connection

from api.access import Needs, administrator, auditor, definer, reader, subscriber, writer
from api.context import Here, Moved, one_at_a_time, turn
from api.reading import reading
from core import database
from core.identifier import PersonId
from core.keys import Key
from core.problems import raises
from profiles import people

MOVED = "moved"  # not a problem: 308

Opening = Callable[..., AsyncIterator[Connection]]

# All of scope "function", so that the connection is free before a slow reader has taken his answer.


def snapshot_of(needs: Needs) -> Opening:
    """Return what opens the transaction that answers a request of those who may. Raises `Overloaded` when none gets free."""

    @raises("unavailable", "overloaded", "unstorable")
    async def opened(here: Here, _: Annotated[Key, Depends(needs)]) -> AsyncIterator[Connection]:
        async with turn(here), contextmanager_in_threadpool(reading(here.engine)) as connection:
            yield connection

    return opened


def transaction_of(needs: Needs) -> Opening:
    """Return what opens the transaction in which a request of those who may writes: committed before it is answered."""

    @raises("unavailable", "overloaded", "unstorable")
    async def opened(here: Here, _: Annotated[Key, Depends(needs)]) -> AsyncIterator[Connection]:
        async with turn(here), contextmanager_in_threadpool(database.transaction(here.engine)) as connection:
            yield connection

    return opened


@raises("unavailable", "overloaded", "unstorable")
async def alone(here: Here, _: Annotated[Key, Depends(reader)]) -> AsyncIterator[Connection]:
    """Open the transaction that answers a question about everybody, one at a time. Raises `Overloaded`."""
    async with one_at_a_time(here), turn(here), contextmanager_in_threadpool(reading(here.engine)) as connection:
        yield connection


snapshot = snapshot_of(reader)

Snapshot = Annotated[Connection, Depends(snapshot, scope="function")]
Alone = Annotated[Connection, Depends(alone, scope="function")]
AdminSnapshot = Annotated[Connection, Depends(snapshot_of(administrator), scope="function")]
AuditSnapshot = Annotated[Connection, Depends(snapshot_of(auditor), scope="function")]
Writing = Annotated[Connection, Depends(transaction_of(writer), scope="function")]
Administering = Annotated[Connection, Depends(transaction_of(administrator), scope="function")]
Subscribing = Annotated[Connection, Depends(transaction_of(subscriber), scope="function")]
SubscriberSnapshot = Annotated[Connection, Depends(snapshot_of(subscriber), scope="function")]
Defining = Annotated[Connection, Depends(transaction_of(definer), scope="function")]


@raises(MOVED, "not_found", "gone")
def person(connection: Snapshot, person_id: UUID) -> PersonId:
    """Return the person that the id in the path names. Raises `NotFound`, and `Moved` where he bears another id now."""
    return present_person(connection, person_id)


def present_person(connection: Connection, person_id: UUID) -> PersonId:
    """Return the same, for those who cannot keep a transaction open until they answer."""
    present = people.survivor(connection, str(person_id))
    if present != str(person_id):
        raise Moved(present)
    return present


Person = Annotated[PersonId, Depends(person, scope="function")]


async def on_moved(request: Request, moved: Exception) -> Response:
    """Send the reader on to where the person is now, to the same question about him."""
    assert isinstance(moved, Moved)
    path = request.url.path.replace(str(request.path_params["person_id"]), moved.person, 1)
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"Location": f"{path}{query}"})
