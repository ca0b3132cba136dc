"""Sealed notes: what we tell ourselves by way of somebody else's browser, or a database, who can neither read nor change it."""

import binascii
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FOR_EVER = timedelta(days=36_500)
NONCE_BYTES = 12
NOTE_LENGTH_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Seal:
    """Notes of one *purpose*, which are good for *lifetime*; a note of another purpose or key is none of these."""

    signing_key: bytes
    purpose: str
    lifetime: timedelta

    def written(self, fields: Mapping[str, str], now: datetime) -> str:
        """Return a note that says *fields*, in the characters of URLs; each time another one."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = orjson.dumps({**fields, "until": (now + self.lifetime).timestamp()})
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, None)).decode().rstrip("=")

    def read(self, note: str, now: datetime) -> Mapping[str, str] | None:
        """Return what *note* says, `None` where it is forged, of another purpose, or too old."""
        if len(note) > NOTE_LENGTH_MAX:
            return None
        try:
            sealed = urlsafe_b64decode(note + "=" * (-len(note) % 4))
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except (binascii.Error, ValueError, InvalidTag):
            return None
        fields = orjson.loads(plain)
        return fields if fields.pop("until") > now.timestamp() else None

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(derived(self.signing_key, self.purpose))


def derived(signing_key: bytes, purpose: str) -> bytes:
    """Return the key of *purpose*, so that what is signed for one is worth nothing for another."""
    return hmac.digest(signing_key, f"siyu {purpose}".encode(), "sha256")
