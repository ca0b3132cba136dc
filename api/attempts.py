"""How often somebody may try to sign in: so many failures from one address, and then he waits."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from core.errors import Limited

FAILURES_MAX = 10
WINDOW = timedelta(minutes=15)
ADDRESSES_MAX = 10_000


class Attempts:
    """The failures of the last while by address, in this process; of very many addresses the latest."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def check(self, address: str, now: datetime) -> None:
        """Raise `Limited` where there were too many from *address*."""
        failures = self._failures.get(_network(address), deque())
        while failures and failures[0] <= now - WINDOW:
            failures.popleft()
        if len(failures) >= FAILURES_MAX:
            wait = failures[0] + WINDOW - now
            raise Limited("too many attempts to sign in from here", max(1, int(wait.total_seconds())))

    def failed(self, address: str, now: datetime) -> None:
        """Note a failure."""
        network = _network(address)
        self._failures.setdefault(network, deque(maxlen=FAILURES_MAX)).append(now)
        self._failures.move_to_end(network)
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)


def _network(address: str) -> str:
    """One who has an IPv6 address has 2^64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
