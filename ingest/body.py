"""The body of a request, read up to a limit and decompressed up to the same limit."""

import zlib
from collections.abc import Callable, Mapping

import brotli  # type: ignore[import-untyped] # it comes without types
import zstandard
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from core.errors import InvalidEvent

BODY_BYTES_MAX = 1 << 20
WINDOW_BYTES_MAX = 8 << 20  # what RFC 9659 lets a sender ask of a zstd decoder

# Where a decoder stops: one byte too many is enough to refuse a body.
_ENOUGH = BODY_BYTES_MAX + 1


async def read(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return the decompressed body of *request*.

    Answers 413 as soon as more than *bytes_max* (at most 1 MiB) came, or came out, and 415 for a compression other than
    gzip, br and zstd. Raises `InvalidEvent` when the body is cut short or is not compressed as it says.
    """
    decoded = _DECODERS.get(request.headers.get("content-encoding", "identity").strip().lower())
    if decoded is None:
        raise HTTPException(415, "a body may be compressed by gzip, br or zstd, once")
    received = await _received(request, bytes_max)
    try:
        body = decoded(received)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError):
        raise InvalidEvent("invalid_compression", "the body is not compressed as its Content-Encoding says") from None
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


async def _received(request: Request, bytes_max: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 9 or int(declared) > bytes_max):
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > bytes_max:
                raise _too_large(bytes_max)
    except ClientDisconnect:
        raise InvalidEvent("incomplete", "the body ended early") from None
    return b"".join(chunks)


def _too_large(bytes_max: int) -> HTTPException:
    return HTTPException(413, f"a body has at most {bytes_max} bytes, also when it is decompressed")


def _gunzipped(body: bytes) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    decoded = decoder.decompress(body, _ENOUGH)
    return _whole(decoded, decoder.eof and not decoder.unused_data)


def _unbrotlied(body: bytes) -> bytes:
    decoder = brotli.Decompressor()
    decoded: bytes = decoder.process(body, output_buffer_limit=_ENOUGH)
    return _whole(decoded, decoder.is_finished())


def _unzstded(body: bytes) -> bytes:
    # Its reader does not tell a frame cut short from a whole one; what is missing is then missed by the JSON decoder.
    with zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX).stream_reader(body) as reader:
        return reader.read(_ENOUGH)


def _whole(decoded: bytes, is_finished: bool) -> bytes:
    if not is_finished and len(decoded) < _ENOUGH:
        raise EOFError
    return decoded


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "br": _unbrotlied,
    "zstd": _unzstded,
}
