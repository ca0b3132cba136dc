"""How often one key may ask: a bucket of tokens for each, in this process, and what its owner is told of it.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10. Collectors are not limited here.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.errors import Limited

KEYS_MAX = 10_000  # of very many the latest; who is forgotten has a full bucket again
MINUTE_SECONDS = 60


@dataclass(slots=True)
class _Bucket:
    """How many requests are left, as of a moment in seconds of the clock."""

    left: float
    at: float


class Limits:
    """Lets each key ask *per_minute* times, at once or spread (0: as often as it likes)."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> Mapping[str, str]:
        """Note a request of *key*, and return the headers that tell what is left to it; of one too many none is noted."""
        if not self._per_minute:
            return {}
        bucket = self._filled(key)
        bucket.left -= 1 if bucket.left >= 1 else 0
        missing = self._per_minute - bucket.left
        return {
            "RateLimit-Policy": f'"key";q={self._per_minute};w={MINUTE_SECONDS}',
            "RateLimit": f'"key";r={int(bucket.left)};t={math.ceil(missing * MINUTE_SECONDS / self._per_minute)}',
        }

    def check(self, key: str) -> None:
        """Raise `Limited` where *key* has asked too often."""
        if self._per_minute and (left := self._filled(key).left) < 1:
            raise Limited("this key asks too often", math.ceil((1 - left) * MINUTE_SECONDS / self._per_minute))

    def _filled(self, key: str) -> _Bucket:
        now = self._now()
        bucket = self._buckets.setdefault(key, _Bucket(self._per_minute, now))
        self._buckets.move_to_end(key)
        gained = (now - bucket.at) * self._per_minute / MINUTE_SECONDS
        bucket.left, bucket.at = min(self._per_minute, bucket.left + gained), now
        if len(self._buckets) > KEYS_MAX:
            self._buckets.popitem(last=False)
        return bucket
