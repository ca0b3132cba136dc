"""An API that takes decisions, people who may decide, and somebody who carries it out."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import count

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from api.app import create
from core import keys
from core.clock import Clock
from core.keys import Scope
from core.log.port import DIRECTIVES
from core.log.postgres import PostgresLog
from stitcher.deciding import publisher
from stitcher.worker import GROUP, Stitcher
from tests.api.client import asking
from tests.api.conftest import ADMIN
from tests.api.world import INDEX, NOW, RULES, SENDER, World


@pytest.fixture
def clock() -> Clock:
    """One by which every look is a second after the last one."""
    seconds = count()
    return lambda: NOW + timedelta(seconds=next(seconds))


@pytest.fixture
def log(engine: Engine) -> PostgresLog:
    return PostgresLog(engine, 2)


@pytest.fixture
def app(engine: Engine, log: PostgresLog, clock: Clock) -> FastAPI:
    find = partial(keys.find, admin_secret=ADMIN)
    return create(
        engine, find, INDEX, RULES, {}, publish=publisher(log), tell=World(engine).tell, sender=SENDER, clock=clock
    )


@pytest.fixture
def stitching(engine: Engine, log: PostgresLog, clock: Clock) -> Iterator[None]:
    """Somebody carries out what is decided."""
    stop = threading.Event()

    def run() -> None:
        with log.consumer(DIRECTIVES, GROUP) as consumer:
            Stitcher(engine, RULES, INDEX, clock).run_directives(consumer, stop)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join(30)


@pytest.fixture
def steward(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may decide about people, and see who they are."""
    scopes = (Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII, Scope.PEOPLE_WRITE)
    with asking(app, world.key(*scopes)) as client:
        yield client


@pytest.fixture
def clerk(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may decide about people, but not see who they are."""
    with asking(app, world.key(Scope.PEOPLE_READ, Scope.PEOPLE_WRITE)) as client:
        yield client
