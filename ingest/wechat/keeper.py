"""The keeper of what platforms give us for a while: access tokens, and the tickets that sign pages.

One row holds each for all processes of an installation, and exactly one of them asks when it is time: were each to ask,
their tokens could end one another. A row is sealed, and tells nothing to who has the database without the
installation's key.
"""

import asyncio
import hmac
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import Column, Connection, DateTime, Engine, Table, Text, select, update
from sqlalchemy.dialects.postgresql import insert

from core.clock import Clock
from core.database import AnyRow, metadata, transaction
from core.errors import Contended, Unavailable
from core.sealed import Seal, derived
from ingest.wechat import api
from ingest.wechat.api import Rejected, TokenRefused

EARLY = timedelta(minutes=5)  # so long before its end one is asked for anew
RETRY_AFTER = timedelta(seconds=5)  # so long after a failure nobody asks
LIFETIME_MAX = timedelta(hours=2)

_log = structlog.get_logger()

token_table = Table(
    "platform_token",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("app", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("credentials", Text, primary_key=True, comment="blind: by which secret, and where, it was got"),
    Column("sealed", Text, nullable=False, comment="what is kept, under a key of the installation's"),
    Column("renew_at", DateTime(timezone=True), nullable=False),
    Column("retry_at", DateTime(timezone=True), nullable=False, comment="nobody asks before, since it failed"),
)


class App(Protocol):
    """As which app we ask, and where."""

    @property
    def app_id(self) -> str:
        """The app's id."""

    @property
    def secret(self) -> str | None:
        """The app's secret."""

    @property
    def api_url(self) -> str:
        """Where the API is."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a platform gave, and for how long."""

    value: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be kept: of which *platform* and *app*, what *kind*, by what *credentials*.

    *ask* asks for it anew; it is told the value that the platform refused, if that is why.
    """

    platform: str
    app: str
    kind: str
    credentials: str = field(repr=False)
    ask: Callable[[str], Given] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row, opened: *value* is `None` where there is none, or it has ended."""

    value: str | None
    renew_at: datetime
    retry_at: datetime

    def usable(self, refused: str) -> str | None:
        return None if self.value == refused else self.value

    def fresh(self, refused: str, now: datetime) -> str | None:
        return self.usable(refused) if now < self.renew_at else None


class Keeper:
    """Keeps tokens in *engine*'s database, sealed by what derives from *signing_key*. Threads may share it."""

    def __init__(self, engine: Engine, signing_key: bytes, clock: Clock) -> None:
        self._engine = engine
        self._signing_key = signing_key
        self._clock = clock
        self._turns: dict[str, threading.Lock] = {}

    def value(self, wanted: Wanted, refused: str = "") -> str:
        """Return what is *wanted*. Who says that the platform *refused* a value gets another one, asked for once.

        Raises `Unavailable` where the platform, or the database, does not answer and what is kept has ended.
        """
        place = self._place(wanted)
        try:
            with transaction(self._engine) as connection:
                kept = self._opened(place, connection.execute(_found(place)).one_or_none())
            fresh = kept.fresh(refused, self._clock())
            return fresh or self._renewed(wanted, place, refused)
        except Contended:
            raise Unavailable("somebody else is asking for a token") from None

    def _renewed(self, wanted: Wanted, place: Mapping[str, str], refused: str) -> str:
        # One thread of a process waits at the row; the others wait here, where they hold no connection.
        with self._turns.setdefault(repr(place), threading.Lock()), transaction(self._engine) as connection:
            kept = self._locked(connection, place)
            now = self._clock()
            value = kept.fresh(refused, now)
            if value is None and kept.retry_at <= now:
                value = self._asked(connection, wanted, place, refused)
            value = value or kept.usable(refused)
        if value is None:
            raise Unavailable("the platform gives no token")
        return value

    def _asked(self, connection: Connection, wanted: Wanted, place: Mapping[str, str], refused: str) -> str | None:
        """Ask, and keep what is given; `None` where nothing is, and then nobody asks for a while."""
        try:
            given = wanted.ask(refused)
        except (Rejected, Unavailable) as error:
            _log.warning(
                "token.not_given", platform=wanted.platform, app=wanted.app, kind=wanted.kind, cause=str(error)
            )
            given = Given("", timedelta())
        now = self._clock()
        if not given.value:
            connection.execute(_at(update(token_table), place).values(retry_at=now + RETRY_AFTER))
            return None
        lifetime = min(given.lifetime, LIFETIME_MAX)
        kept = {
            "sealed": self._seal(place, lifetime).written({"value": given.value}, now),
            "renew_at": now + max(lifetime - EARLY, lifetime / 2),
        }
        connection.execute(_at(update(token_table), place).values(kept))
        return given.value

    def _locked(self, connection: Connection, place: Mapping[str, str]) -> _Kept:
        nothing = {"sealed": "", "renew_at": self._clock(), "retry_at": self._clock()}
        connection.execute(insert(token_table).values({**place, **nothing}).on_conflict_do_nothing())
        return self._opened(place, connection.execute(_found(place).with_for_update()).one())

    def _opened(self, place: Mapping[str, str], row: AnyRow | None) -> _Kept:
        now = self._clock()
        if row is None:
            return _Kept(None, now, now)
        noted = self._seal(place, LIFETIME_MAX).read(row.sealed, now)
        return _Kept(noted["value"] if noted else None, row.renew_at, row.retry_at)

    def _seal(self, place: Mapping[str, str], lifetime: timedelta) -> Seal:
        return Seal(self._signing_key, f"platform token {'/'.join(place.values())}", lifetime)

    def _place(self, wanted: Wanted) -> dict[str, str]:
        key = derived(self._signing_key, "platform credentials")
        blind = hmac.new(key, wanted.credentials.encode(), "sha256").hexdigest()[:32]
        return {"platform": wanted.platform, "app": wanted.app, "kind": wanted.kind, "credentials": blind}


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one app, which is asked with its *access* token."""

    keeper: Keeper
    api_url: str
    access: Wanted

    def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, content: api.Content = None
    ) -> Mapping[str, Any]:
        """Return what it answers. A token that it refuses is renewed, once.

        Raises `Unavailable` where it does not answer now, `Rejected` where it never will.
        """
        token = self.keeper.value(self.access)
        try:
            return self._asked(token, method, path, query or {}, content)
        except TokenRefused:
            token = self.keeper.value(self.access, refused=token)
        try:
            return self._asked(token, method, path, query or {}, content)
        except TokenRefused:
            raise Unavailable("the platform refuses a token that it has just given") from None

    def _asked(
        self, token: str, method: str, path: str, query: Mapping[str, str], content: api.Content
    ) -> Mapping[str, Any]:
        return api.asked(self.api_url, method, path, {"access_token": token, **query}, content)


def wechat(keeper: Keeper, app: App) -> Api:
    """Return the API of an official account.

    Its token is the stable one: to ask for it ends nobody else's. Only where the one that is refused is given again is it
    demanded that another be made.
    """

    def ask(refused: str) -> Given:
        sent = {"grant_type": "client_credential", "appid": app.app_id, "secret": app.secret}
        given = _given(api.asked(app.api_url, "POST", "/cgi-bin/stable_token", {}, sent), "access_token")
        if not refused or given.value != refused:
            return given
        forced = {**sent, "force_refresh": True}
        return _given(api.asked(app.api_url, "POST", "/cgi-bin/stable_token", {}, forced), "access_token")

    return Api(keeper, app.api_url, Wanted("wechat", app.app_id, "access", f"{app.api_url} {app.secret}", ask))


def wecom(keeper: Keeper, corp_id: str, secret: str, api_url: str) -> Api:
    """Return the API of a corp, for the app in it that has *secret*."""

    def ask(_: str) -> Given:
        query = {"corpid": corp_id, "corpsecret": secret}
        return _given(api.asked(api_url, "GET", "/cgi-bin/gettoken", query), "access_token")

    return Api(keeper, api_url, Wanted("wecom", corp_id, "access", f"{api_url} {secret}", ask))


def page_ticket(keeper: Keeper, app: App) -> Callable[[], Awaitable[str]]:
    """Return what knows the ticket with which the pages of *app* are signed. It raises `Unavailable`."""
    asking = wechat(keeper, app)

    def ask(_: str) -> Given:
        return _given(asking.ask("GET", "/cgi-bin/ticket/getticket", {"type": "jsapi"}), "ticket")

    wanted = Wanted("wechat", app.app_id, "jsapi", asking.access.credentials, ask)
    return lambda: asyncio.to_thread(keeper.value, wanted)


def _given(told: Mapping[str, Any], name: str) -> Given:
    try:
        return Given(str(told.get(name) or ""), timedelta(seconds=float(told.get("expires_in") or 0)))
    except (ValueError, TypeError, OverflowError):
        raise Unavailable("the platform answers in an unknown way") from None


def _found(place: Mapping[str, str]) -> Any:
    return _at(select(token_table.c.sealed, token_table.c.renew_at, token_table.c.retry_at), place)


def _at(statement: Any, place: Mapping[str, str]) -> Any:
    return statement.where(*(token_table.c[name] == value for name, value in place.items()))
