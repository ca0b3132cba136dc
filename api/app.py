"""The API as an ASGI application: routes, what they stand on, and the border between them and the world."""

from collections.abc import Mapping, Sequence
from functools import partial

import anyio
from fastapi import APIRouter, FastAPI
from sqlalchemy import Engine
from starlette.types import Lifespan

from api import (
    articles,
    asyncapi,
    audits,
    behaviour,
    companies,
    decisions,
    directives,
    do_not_contact,
    document,
    exports,
    keys,
    leads,
    metrics,
    people,
    probes,
    reviews,
    segments,
    sessions,
    stages,
    stream,
    tags,
)
from api.attempts import GUESSES_MAX, GUESSES_WINDOW, Attempts
from api.auditing import Auditing
from api.context import READERS_MAX, Check, Context, Moved, Tell
from api.directives import DECIDERS_MAX
from api.feed import Feed
from api.keyring import FindKey, Keys
from api.limits import Limits
from api.members import Members
from api.metrics import MEASURERS_MAX
from api.paths import KeepSlashes
from api.reading import reading
from api.transactions import on_moved
from api.webhooks import routes as webhooks
from api.webhooks.sending import Sender
from core import database, http
from core.clock import Clock, system_clock
from core.console_sessions import Sessions
from core.errors import Unavailable
from core.identifier import BlindIndex
from core.key_uses import KeyUses
from core.raw import include
from profiles import company_intent, description, frequency, intent
from stitcher.deciding import Publish
from stitcher.rules import Rules

VERSION = "1"
NO_ADMINISTRATOR = Sessions()


def create(
    engine: Engine,
    find_key: FindKey,
    index: BlindIndex,
    rules: Rules,
    checks: Mapping[str, Check],
    *,
    publish: Publish,
    tell: Tell,
    sender: Sender,
    signing_key: bytes,
    requests_per_minute: int = 0,
    intent_rules: intent.Rules | None = None,
    frequency_rules: frequency.Rules | None = None,
    company_rules: company_intent.Rules | None = None,
    description_rules: description.Rules | None = None,
    console: Sessions = NO_ADMINISTRATOR,
    uses: KeyUses | None = None,
    clock: Clock = system_clock,
    routers: Sequence[APIRouter] | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Return an application that answers from the database of *engine*.

    *checks* are asked, besides the database, whether we are ready; *publish* brings into the log what people decide, *tell* the
    events that they tell of others; *sender* sends to webhooks; *signing_key* seals what is kept of answers. *console* are the
    sessions of those who sign in; every use of a key is noted in
    *uses*, and each may ask *requests_per_minute* times (0: always). Whoever composes other roles hands in the *routers* to
    serve (all of ours where there are none) and what is to happen around them: errors, trace ids and headers are theirs too.
    """
    app = FastAPI(
        title="Siyu",
        version=VERSION,
        summary="Who it was, what he did, how he can be reached.",
        lifespan=lifespan,
    )
    uses = KeyUses(engine, clock) if uses is None else uses
    app.state.context = Context(
        engine=engine,
        keys=Keys(engine, find_key, console.find, clock, uses),
        uses=uses,
        index=index,
        rules=rules,
        intent_rules=intent.shipped() if intent_rules is None else intent_rules,
        frequency=frequency.shipped() if frequency_rules is None else frequency_rules,
        companies=company_intent.shipped() if company_rules is None else company_rules,
        description_rules=description.shipped() if description_rules is None else description_rules,
        feed=Feed(engine),
        members=Members(engine),
        audit=Auditing(engine),
        attempts=Attempts(),
        guesses=Attempts(GUESSES_MAX, GUESSES_WINDOW),
        limits=Limits(requests_per_minute),
        sender=sender,
        sessions=console,
        checks={"database": lambda: check_database(engine), **checks},
        reading=anyio.Semaphore(READERS_MAX),
        deciding=anyio.Semaphore(DECIDERS_MAX),
        measuring=anyio.Semaphore(MEASURERS_MAX),
        publish=publish,
        tell=tell,
        signing_key=signing_key,
        clock=clock,
    )
    app.add_exception_handler(Moved, on_moved)
    include(app, answering() if routers is None else routers)
    app.add_middleware(KeepSlashes)
    http.install(app)
    app.openapi = partial(document.of, app)  # type: ignore[method-assign] # the way that FastAPI documents
    return app


def answering() -> list[APIRouter]:
    """Return all routes that answer questions; they find what they stand on at `app.state.context`."""
    return [
        people.router,
        decisions.router,
        directives.router,
        reviews.router,
        do_not_contact.router,
        articles.router,
        companies.router,
        leads.router,
        metrics.router,
        segments.router,
        stages.router,
        exports.router,
        audits.router,
        keys.router,
        sessions.router,
        behaviour.router,
        tags.router,
        stream.router,
        webhooks.router,
        probes.router,
        asyncapi.router,
    ]


def check_database(engine: Engine) -> None:
    """Raise `Unavailable` when the database does not answer, or is not at the newest migration."""
    with reading(engine) as connection:
        present, newest = database.schema_version(connection)
    if present != newest:
        raise Unavailable("the database is not at the newest migration: siyu db upgrade")
