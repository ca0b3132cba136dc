"""How often somebody may try to sign in: so many failures from one address, and then he waits."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from core.errors import Limited, Unauthorized

FAILURES_MAX = 10
WINDOW = timedelta(minutes=15)
GUESSES_MAX = 100  # keys that are none, shown by an address within the window
GUESSES_WINDOW = timedelta(minutes=1)
ADDRESSES_MAX = 10_000


class Attempts:
    """The failures of the last while by address, in this process; of very many addresses the latest."""

    def __init__(self, failures_max: int = FAILURES_MAX, window: timedelta = WINDOW) -> None:
        self._failures_max = failures_max
        self._window = window
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def check(self, address: str, now: datetime) -> None:
        """Raise `Limited` where there were too many from *address*."""
        self._of(_network(address), now)

    @contextmanager
    def one_more(self, address: str, now: datetime) -> Iterator[None]:
        """Raise `Limited` where there were too many from *address*; what ends with `Unauthorized` is one of them.

        It counts while it is tried, so that many at once are no more than one after the other.
        """
        failures = self._of(_network(address), now)
        failures.append(now)
        is_failure = False
        try:
            yield
        except Unauthorized:
            is_failure = True
            raise
        finally:
            if not is_failure:
                failures.remove(now)

    def _of(self, network: str, now: datetime) -> deque[datetime]:
        failures = self._failures.setdefault(network, deque())
        self._failures.move_to_end(network)
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        while failures and failures[0] <= now - self._window:
            failures.popleft()
        if len(failures) >= self._failures_max:
            wait = failures[0] + self._window - now
            raise Limited("too many keys that are none were shown from here", max(1, int(wait.total_seconds())))
        return failures


def _network(address: str) -> str:
    """One who has an IPv6 address has 2^64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
