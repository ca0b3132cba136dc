"""Callbacks: what a platform posts by its own protocol, and what a collector makes of it. Nothing here reads or writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Callback:
    """A request as it came: nothing in it is parsed before it is proven.

    *url* is the public one, with its query, which is what some platforms sign; *body* is decompressed; header names are
    in lower case.
    """

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform wants to hear once the log has what it said."""

    content: bytes = b""
    media_type: str = "text/plain"
    status: int = 200


class Platform(Protocol):
    """The protocol of one account. Nothing in it reads or writes."""

    @property
    def source(self) -> str:
        """As which source it sends."""

    @property
    def answer(self) -> Answer:
        """What it wants to hear."""

    def proven(self, callback: Callback, /) -> bytes:
        """Return the content that the platform vouches for: verified, and decrypted where it is encrypted.

        Raises `Forbidden` where it does not, `InvalidEvent` where it cannot even be asked.
        """

    def documents(self, content: bytes, callback: Callback, /) -> Sequence[Document]:
        """Return the events that *content* tells, as a sender would write them. Raises `InvalidEvent` where it tells none.

        Each has an id made of what the platform repeats when it sends again.
        """
