"""What runs for as long as it is wanted: collectors and API in one web server, stitcher and relay beside it."""

import signal
import threading
from enum import StrEnum
from types import FrameType

from core.log.port import EVENTS
from core.relay import Relay
from ingest.receive import Receiver
from siyu.background import Background
from siyu.system import System
from stitcher.worker import GROUP


class Role(StrEnum):
    """A part of Siyu that can run in a process of its own."""

    COLLECT = "collect"
    STITCH = "stitch"
    API = "api"


def receiver_of(system: System) -> Receiver:
    """Return the door through which every event of *system* comes."""
    defaults = {trust: standing.default for trust, standing in system.rules.trust.items()}
    return Receiver(system.rules.namespaces, defaults, system.index, system.clock)


def stitch(system: System) -> bool:
    """Run stitcher and relay until a signal ends them; return whether all went well."""
    with Background(on_failure=lambda: None) as background:
        _stop_on_signals(background.stop)
        start_stitching(system, background)
        background.wait()
    return not background.failed


def start_stitching(system: System, background: Background) -> None:
    """Start the stitcher and the relay."""

    def run_stitcher(stop: threading.Event) -> None:
        with system.log.consumer(EVENTS, GROUP) as consumer:
            system.stitcher().run(consumer, stop, system.settings.batch_events_max)

    background.start("stitcher", run_stitcher)
    background.start("relay", Relay(system.engine, system.log, system.clock).run)


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


