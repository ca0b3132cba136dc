"""How WeChat and WeCom sign in the query, and seal what they say: once, for all tries of the same callback."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from ingest.wechat.crypto import Secretbox, signature

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and by which *nonce* something is said; with a *token* it is signed."""

    token: str
    at: datetime
    nonce: str

    @staticmethod
    def of(token: str, at: datetime) -> "Stamp":
        """Return a stamp that nobody had before."""
        return Stamp(token, at, secrets.token_hex(5))

    def signed(self, parameter: str, *encrypted: str) -> dict[str, str]:
        """Return the query that says so; *parameter* has the signature, also of what is *encrypted*."""
        seconds = str(int(self.at.timestamp()))
        return {
            "timestamp": seconds,
            "nonce": self.nonce,
            parameter: signature(self.token, seconds, self.nonce, *encrypted),
        }


def sealed(encoding_aes_key: str, content: bytes, receiver: str) -> str:
    """Return *content* encrypted for *receiver*."""
    return Secretbox.of(encoding_aes_key).closed(content, receiver, secrets.token_bytes(16))


def json(told: Fields) -> bytes:
    """Return *told* as those write it who chose JSON."""
    return orjson.dumps(told)


def xml(told: Fields) -> bytes:
    """Return *told* as the platforms write XML: numbers bare, all else as character data."""
    return f"<xml>{_elements(told)}</xml>".encode()


def _elements(told: Fields) -> str:
    return "".join(
        f"<{name}>{_written(one)}</{name}>"
        for name, value in told.items()
        for one in (value if isinstance(value, list) else [value])
    )


def _written(value: object) -> str:
    match value:
        case dict():
            return _elements(value)
        case int() | float():
            return str(value)
    return f"<![CDATA[{value}]]>"
