"""An API over a fresh database, and people who may ask it different things."""

from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

import siyu.tables  # noqa: F401 - all tables
from api.app import create
from core import keys
from core.console_sessions import Sessions
from core.keys import Scope
from core.log.postgres import PostgresLog
from stitcher.deciding import publisher
from tests.api.client import asking
from tests.api.world import INDEX, NOW, RULES, SENDER, World

ADMIN = "the secret of the administrator"


@pytest.fixture
def world(engine: Engine) -> World:
    """A world in which nothing has happened yet."""
    return World(engine)


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """The API, as the composition root makes it."""
    return create(
        engine,
        partial(keys.find, admin_secret=ADMIN),
        INDEX,
        RULES,
        {"log": lambda: None},
        publish=publisher(PostgresLog(engine, 1)),
        tell=World(engine).tell,
        sender=SENDER,
        console=Sessions(admin_secret=ADMIN),
        clock=lambda: NOW,
    )


@pytest.fixture
def anybody(app: FastAPI) -> Iterator[httpx.Client]:
    """A client without a key."""
    with asking(app) as client:
        yield client


@pytest.fixture
def marketer(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may read of people, but not who they are."""
    with asking(app, world.key(Scope.PEOPLE_READ)) as client:
        yield client


@pytest.fixture
def sales(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may see who people are."""
    with asking(app, world.key(Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII)) as client:
        yield client


@pytest.fixture
def administrator(app: FastAPI) -> Iterator[httpx.Client]:
    """A client who may do everything."""
    with asking(app, ADMIN) as client:
        yield client
