"""What runs for as long as it is wanted: collectors and API in one web server, stitcher and relay beside it."""

import asyncio
import gc
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection

from api import app as api
from api import probes
from api.context import Tell
from api.exporting.exporter import Exporter
from api.webhooks.delivering import Deliverer
from api.webhooks.sending import Secrets, Sender
from core import keys, metrics
from core.console_sessions import Sessions
from core.database import transaction
from core.errors import InvalidSetting
from core.event import Event
from core.key_uses import KeyUses
from core.keys import Key
from core.log.port import DIRECTIVES, EVENTS, QUARANTINE
from core.outbound import Allowed
from core.relay import Relay
from ingest import collectors, enriching
from ingest.auth import KeyCache
from ingest.collectors import Ground
from ingest.commit import GroupCommit
from ingest.enriching import Enrichment
from ingest.intake import Intake
from ingest.orders.polling import pollings
from ingest.receive import Receiver
from ingest.spool import Spool
from ingest.wechat.keeper import Keeper
from profiles.segments.watching import Watch
from siyu import alerting
from siyu.alerting import Alerting
from siyu.background import Background
from siyu.system import System
from stitcher.deciding import publisher
from stitcher.worker import GROUP

_log = structlog.get_logger()
SWITCH_SECONDS = 0.0005
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Role(StrEnum):
    """A part of Siyu that can run in a process of its own."""

    COLLECT = "collect"
    STITCH = "stitch"
    API = "api"


def receiver_of(system: System) -> Receiver:
    """Return the door through which every event of *system* comes."""
    defaults = {trust: standing.default for trust, standing in system.rules.trust.items()}
    return Receiver(system.rules.namespaces, defaults, system.index, system.clock, system.channels.declared)


def intake_of(system: System) -> Intake:
    """Return where the collectors of *system* bring what they have read."""
    events, refused = GroupCommit(system.log, EVENTS), GroupCommit(system.log, QUARANTINE)
    return Intake(receiver_of(system), events, refused, system.clock)


def ground_of(system: System, intake: Intake, spool: Spool, uses: KeyUses) -> Ground:
    """Return what the collectors of *system* stand on; the use of a key is noted in *uses*."""
    return Ground(
        intake=intake,
        find_key=KeyCache(_key_finder(system), used=uses.note),
        channels=system.channels,
        engine=system.engine,
        signing_key=system.signing_key,
        spool=spool,
        public_url=system.settings.public_url.rstrip("/"),
    )


def application(system: System, roles: Collection[Role]) -> FastAPI:
    """Return the web application of *roles*; what it has accepted it brings into the log before it ends."""
    intake = intake_of(system)
    spool = Spool(intake, system.settings.data_dir / "spool")
    uses = KeyUses(system.engine, system.clock)
    loops = [spool.run, uses.run]
    routers = api.answering() if Role.API in roles else [probes.router]
    if Role.COLLECT in roles:
        routers += collectors.routers(ground_of(system, intake, spool, uses))
        loops += [polling.run for polling in pollings(intake, system.engine, system.channels.orders)]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(run()) for run in loops]
        yield
        for each in running:
            each.cancel()
        await spool.close()
        await intake.close()
        await uses.write()

    return api.create(
        system.engine,
        _find(system),
        system.index,
        system.rules,
        {"log": system.log.check},
        publish=publisher(system.log),
        tell=telling(system),
        sender=sender_of(system),
        signing_key=system.signing_key,
        requests_per_minute=system.settings.requests_per_minute,
        intent_rules=system.intent_rules,
        frequency_rules=system.frequency_rules,
        company_rules=system.company_rules,
        description_rules=system.description_rules,
        console=Sessions(timedelta(hours=system.settings.session_idle_hours), _admin_secret(system)),
        uses=uses,
        clock=system.clock,
        routers=routers,
        lifespan=lifespan,
    )


def telling(system: System) -> Tell:
    """Return what brings an event into the log of *system* by the door that all others come by, and waits until it is there."""
    door = receiver_of(system)

    def tell(document: Mapping[str, object], key: Key) -> Event:
        event, record = door.receive(document, key)
        system.log.append(EVENTS, [record])
        return event

    return tell


def sender_of(system: System) -> Sender:
    """Return what sends to webhooks. Raises `InvalidSetting`."""
    try:
        allowed = Allowed.read(system.settings.webhook_hosts_allowed)
    except ValueError as error:
        raise InvalidSetting(f"SIYU_WEBHOOK_HOSTS_ALLOWED: {error}") from None
    return Sender(Secrets(system.signing_key, system.clock), allowed)


def serve(system: System, roles: Collection[Role], announce: Callable[[str], None]) -> bool:
    """Run *roles* until a signal ends them, and return whether all went well; *announce* gets the address once it serves.

    On SIGTERM requests under way are answered, what was accepted is brought into the log, and a batch that was begun is
    finished.
    """
    prepare_interpreter()
    server = _Server(system, application(system, roles), announce)
    with Background(on_failure=server.end) as background, suppress(SystemExit):  # uvicorn exits where it cannot listen
        if Role.STITCH in roles:
            start_stitching(system, background)
        if Role.API in roles:
            background.start("exports", Exporter(system.engine, system.intent_rules, system.clock).run)
        server.run()
    return server.started and not background.failed


def stitch(system: System) -> bool:
    """Run stitcher and relay until a signal ends them; return whether all went well."""
    with Background(on_failure=lambda: None) as background:
        _stop_on_signals(background.stop)
        start_stitching(system, background)
        background.wait()
    _log.info(
        "stitch.stopped", seconds=metrics.totals(metrics.STITCH_SECONDS), events=metrics.totals(metrics.EVENTS_STITCHED)
    )
    return not background.failed


def start_stitching(system: System, background: Background) -> None:
    """Start the stitcher, what carries directives out, the watch over segments, the relay, and what asks platforms."""
    prepare_interpreter()

    def run_stitcher(stop: threading.Event) -> None:
        with system.log.consumer(EVENTS, GROUP) as consumer:
            system.stitcher().run(consumer, stop, system.settings.batch_events_max)

    background.start("stitcher", run_stitcher)
    background.start("directives", carrying_out(system))
    background.start("refusals", keeping_refusals(system))
    background.start("segments", Watch(system.engine, system.judged_by, system.thresholds, system.clock).run)
    background.start("relay", Relay(system.engine, system.log, system.clock).run)
    background.start("webhooks", Deliverer(system.engine, partial(sender_of, system), system.clock).run)
    with transaction(system.engine) as connection:
        alerting.forget_others(connection, list(system.group_robots))
    for each in alertings(system):
        background.start(each.sink, each.run)
    for name, loop in enrichment_of(system).loops():
        background.start(name, loop)


def enrichment_of(system: System) -> Enrichment:
    """Return what asks the platforms of *system* about those whom its log names."""
    keeper = Keeper(system.engine, system.signing_key, system.clock)
    askers = enriching.askers(system.channels, keeper)
    return Enrichment(system.engine, system.log, receiver_of(system), system.index, system.clock, askers)


def alertings(system: System) -> Sequence[Alerting]:
    """Return what tells the robots of *system* about intent."""
    labels = {name: rule.labels for name, rule in system.intent_rules.items()}
    return [Alerting(name, robot, system.engine, labels, system.clock) for name, robot in system.group_robots.items()]


def carrying_out(system: System) -> Callable[[threading.Event], None]:
    """Return the loop that carries directives out."""

    def run(stop: threading.Event) -> None:
        with system.log.consumer(DIRECTIVES, GROUP) as consumer:
            system.stitcher().run_directives(consumer, stop)

    return run


def keeping_refusals(system: System) -> Callable[[threading.Event], None]:
    """Return the loop that keeps what the collectors could not take."""

    def run(stop: threading.Event) -> None:
        with system.log.consumer(QUARANTINE, GROUP) as consumer:
            system.stitcher().run_refusals(consumer, stop)

    return run


class _Server(uvicorn.Server):
    """uvicorn, which says when it serves and can be told to end."""

    def __init__(self, system: System, app: FastAPI, announce: Callable[[str], None]) -> None:
        chosen = system.settings
        super().__init__(
            uvicorn.Config(
                app, chosen.host, chosen.port, log_level="warning", access_log=False, timeout_graceful_shutdown=10
            )
        )
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let signals ask for the end, which is then a good one; uvicorn itself would die of them once it has ended."""
        before = {number: signal.signal(number, self.handle_exit) for number in _ENDING}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Ask it to end, from any thread."""
        self.should_exit = True


def prepare_interpreter() -> None:
    """Set the interpreter up for a process that takes many events.

    Batches make hundreds of thousands of objects without cycles; looking for cycles among them is a tenth of the time. And
    a thread that waits for the server or the disk gets its turn back after half a millisecond, not five: an append waits
    several times, and so many requests wait with it.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)


def _find(system: System) -> Callable[[Connection, str, datetime], Key]:
    return partial(keys.find, admin_secret=_admin_secret(system))


def _admin_secret(system: System) -> str | None:
    return system.settings.admin_key.get_secret_value() if system.settings.admin_key else None


def _key_finder(system: System) -> Callable[[str], Key]:
    find = _find(system)

    def found(secret: str) -> Key:
        with transaction(system.engine) as connection:
            return find(connection, secret, system.clock())

    return found


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in _ENDING:
        signal.signal(number, ask)
