"""What WeChat hands to a mini-program for its server: encrypted, or signed, by the key of the session. Pure.

Encrypted is AES-128-CBC, padded to 16 bytes (PKCS#7). CBC proves nothing of itself: whether something is meant for us says
the watermark in it.
"""

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from core.errors import Forbidden
from ingest.proof import is_same, part, text

_BLOCK_BYTES = 16
_UNREADABLE = "this cannot be decrypted by the key of the session"


def decrypted(encrypted: str, iv: str, session_key: str, app_id: str) -> Mapping[str, Any]:
    """Return what *encrypted* (all in base64) says. Raises `Forbidden` unless it is whole, and was made for *app_id*."""
    try:
        said = orjson.loads(_unpadded(_plain(_bytes(encrypted), _bytes(iv), _bytes(session_key))))
    except orjson.JSONDecodeError:
        raise Forbidden(_UNREADABLE) from None
    if not isinstance(said, dict):
        raise Forbidden(_UNREADABLE)
    check_watermark(said, app_id)
    return said


def check_watermark(said: Mapping[str, Any], app_id: str) -> None:
    """Raise `Forbidden` unless WeChat said this to *app_id*."""
    if not is_same(text(part(said, "watermark"), "appid"), app_id):
        raise Forbidden("this was made for another mini-program")


def is_signed(signature: str, raw_data: str, session_key: str) -> bool:
    """Whether *signature* is WeChat's, of *raw_data* as `wx.getUserInfo` gives it: SHA-1 with the key behind."""
    signed = hashlib.sha1((raw_data + session_key).encode(), usedforsecurity=False)  # WeChat's protocol
    return is_same(signature, signed.hexdigest())


def _bytes(written: str) -> bytes:
    try:
        return b64decode(written, validate=True)
    except ValueError:
        raise Forbidden(_UNREADABLE) from None


def _plain(encrypted: bytes, iv: bytes, key: bytes) -> bytes:
    if not encrypted or len(encrypted) % _BLOCK_BYTES or len(iv) != _BLOCK_BYTES or len(key) != _BLOCK_BYTES:
        raise Forbidden(_UNREADABLE)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(encrypted) + decryptor.finalize()


def _unpadded(plain: bytes) -> bytes:
    missing = plain[-1]
    if not 1 <= missing <= _BLOCK_BYTES or plain[-missing:] != bytes([missing]) * missing:
        raise Forbidden(_UNREADABLE)
    return plain[:-missing]
