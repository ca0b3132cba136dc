"""Providers who sign nothing: whoever knows the address may tell, which is why no event of theirs is `verified`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.callback import Accounted, Callback, Document
from ingest.sms.account import SmsAccount
from ingest.sms.telling import items, opt_outs_first


@dataclass(frozen=True)
class Unsigned(Accounted[SmsAccount]):
    """One account, whose provider posts JSON: a list of what it tells, or one object."""

    family = "sms"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, which the address alone protects."""
        return callback.body

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the events of all that is told, opt-outs first."""
        return opt_outs_first([one for item in items(content) for one in self._read(item, callback.received_at)])

    def told(self, item: dict[str, Any], received_at: datetime) -> list[Document]:
        """Return the events that one object tells."""
        raise NotImplementedError

    def _read(self, item: Any, received_at: datetime) -> list[Document]:
        if not isinstance(item, dict):
            return [item]  # is refused as what it is, and kept, while the others are taken
        return self.told(item, received_at)
