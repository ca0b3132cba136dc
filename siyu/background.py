"""Loops that run beside the main thread: stitcher and relay. One that fails takes the process down, to be started again."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

_log = structlog.get_logger()

STOP_SECONDS_MAX = 30.0


class Background:
    """Runs loops until it is left; each gets the event that tells it to end, and ends what it has begun."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self.stop = threading.Event()
        self.failed = False
        self._on_failure = on_failure
        self._threads: list[threading.Thread] = []

    def start(self, name: str, loop: Callable[[threading.Event], None]) -> None:
        """Run *loop* in a thread of its own."""
        thread = threading.Thread(target=self._guarded, args=(name, loop), name=name)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Block until somebody asks to stop."""
        self.stop.wait()

    def _guarded(self, name: str, loop: Callable[[threading.Event], None]) -> None:
        try:
            loop(self.stop)
        except BaseException:  # noqa: BLE001 - whatever it is, the process must not go on without this loop
            _log.exception("background.failed", loop=name)
            self.failed = True
            self.stop.set()
            self._on_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS_MAX)
