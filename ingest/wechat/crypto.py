"""How WeChat and WeCom sign and encrypt their callbacks.

The signature is SHA-1 over the sorted parts. What is encrypted is AES-256-CBC, padded to 32 bytes, of 16 random bytes, the
length of the message (four bytes, the highest first), the message, and the id of the receiver.
"""

import hashlib
import hmac
import struct
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import StringConstraints

from core.errors import Forbidden, InvalidSetting

ENCODED_KEY_LENGTH = 43
EncodedKey = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9+/]{{{ENCODED_KEY_LENGTH}}}$")]
"""An EncodingAESKey: whatever has this form is the base64 of 32 bytes."""

_BLOCK = 32
_KEY_BYTES = 32
_RANDOM_BYTES = 16
_HEAD_BYTES = _RANDOM_BYTES + 4

_UNREADABLE = "the message cannot be decrypted"


def signature(*parts: str) -> str:
    """Return the hexadecimal SHA-1 of *parts*, sorted and joined."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def is_signed(given: str, *parts: str) -> bool:
    """Whether *given* is the signature of *parts*."""
    return hmac.compare_digest(given.encode(), signature(*parts).encode())


@dataclass(frozen=True, slots=True)
class Secretbox:
    """The key of one account, as its console shows it: 43 characters of base64, the last `=` left out."""

    key: bytes = field(repr=False)

    @staticmethod
    def of(encoded: str) -> "Secretbox":
        """Return the box of the *encoded* key. Raises `InvalidSetting`."""
        try:
            key = b64decode(encoded + "=", validate=True)
        except ValueError:
            key = b""
        if len(encoded) != ENCODED_KEY_LENGTH or len(key) != _KEY_BYTES:
            raise InvalidSetting(f"an EncodingAESKey is {ENCODED_KEY_LENGTH} characters of base64")
        return Secretbox(key)

    def opened(self, encrypted: str, receivers: Collection[str]) -> bytes:
        """Return the message in *encrypted* (base64). Raises `Forbidden` unless it is whole, and meant for one of *receivers*."""
        plain = _unpadded(self._decrypted(encrypted))
        if len(plain) < _HEAD_BYTES:
            raise Forbidden(_UNREADABLE)
        end = _HEAD_BYTES + struct.unpack(">I", plain[_RANDOM_BYTES:_HEAD_BYTES])[0]
        if end > len(plain):
            raise Forbidden(_UNREADABLE)
        if plain[end:] not in {receiver.encode() for receiver in receivers}:
            raise Forbidden("the message is meant for somebody else")
        return plain[_HEAD_BYTES:end]

    def closed(self, message: bytes, receiver: str, random: bytes) -> str:
        """Return *message* encrypted for *receiver*; *random* are 16 bytes that nobody can foresee."""
        plain = random + struct.pack(">I", len(message)) + message + receiver.encode()
        missing = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher().encryptor()
        return b64encode(encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()).decode()

    def _decrypted(self, encrypted: str) -> bytes:
        try:
            raw = b64decode(encrypted, validate=True)
        except ValueError:
            raise Forbidden(_UNREADABLE) from None
        if not raw or len(raw) % 16:
            raise Forbidden(_UNREADABLE)
        decryptor = self._cipher().decryptor()
        return decryptor.update(raw) + decryptor.finalize()

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16]))


def _unpadded(plain: bytes) -> bytes:
    missing = plain[-1]
    if not 1 <= missing <= _BLOCK or plain[-missing:] != bytes([missing]) * missing:
        raise Forbidden(_UNREADABLE)
    return plain[:-missing]
