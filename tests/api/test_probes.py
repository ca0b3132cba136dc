"""What keeps the process running asks."""

from functools import partial

import httpx
from sqlalchemy import Engine, text

from api.app import create
from core import keys
from core.database import transaction
from core.errors import Unavailable
from tests.api.client import asking
from tests.api.conftest import ADMIN
from tests.api.world import INDEX, RULES, SENDER, World


def test_a_process_that_answers_is_alive_whatever_it_needs(anybody: httpx.Client, engine: Engine) -> None:
    engine.dispose()

    assert anybody.get("/livez").json() == {"status": "ok"}


def test_ready_is_who_has_all_that_he_needs(engine: Engine) -> None:
    checks = {"database": lambda: None, "log": lambda: None}

    with asking(
        create(
            engine,
            partial(keys.find, admin_secret=ADMIN),
            INDEX,
            RULES,
            checks,
            publish=lambda _: None,
            tell=World(engine).tell,
            sender=SENDER,
        )
    ) as anybody:
        answer = anybody.get("/readyz")

    assert answer.json() == {"status": "ok", "checks": ["database", "log"]}


def test_who_is_not_ready_says_what_is_missing(engine: Engine) -> None:
    def fail() -> None:
        raise Unavailable("the log does not answer")

    app = create(
        engine,
        partial(keys.find, admin_secret=ADMIN),
        INDEX,
        RULES,
        {"database": lambda: None, "log": fail},
        publish=lambda _: None,
        tell=World(engine).tell,
        sender=SENDER,
    )
    with asking(app) as anybody:
        answer = anybody.get("/readyz")

    assert answer.status_code == 503
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/log"]


def test_a_database_without_the_newest_migration_is_not_ready(engine: Engine, anybody: httpx.Client) -> None:
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM alembic_version"))

    answer = anybody.get("/readyz")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (503, "/database")


def test_what_is_counted_is_the_administrators_to_see(administrator: httpx.Client, marketer: httpx.Client) -> None:
    answer = administrator.get("/metrics")

    assert "siyu_events_accepted" in answer.text
    assert marketer.get("/metrics").status_code == 403
