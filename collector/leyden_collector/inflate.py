"""Request bodies, read and inflated under a hard bound: a bomb costs no more memory than the bound."""

from __future__ import annotations

import sys
import zlib
from collections.abc import AsyncIterator
from typing import Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BODY_BYTES = 64 << 20
"""OTLP recommends this limit after decompression (opentelemetry-proto specification, 1.11)."""


class BodyTooLarge(Exception):
    """The body is larger than the bound, inflated or not."""


class EncodingUnsupported(Exception):
    """The Content-Encoding is none we read."""


class BodyCorrupt(Exception):
    """The body does not inflate."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """Read and inflate a body. Encodings: identity, gzip, deflate, zstd, lz4.

    Raises BodyTooLarge as soon as the bound is passed, EncodingUnsupported, or BodyCorrupt.
    """
    body = _Body(encoding, limit)
    async for chunk in chunks:
        try:
            body.add(chunk)
        except BodyTooLarge:
            await _discard(chunks, limit)
            raise
    return body.whole()


async def _discard(chunks: AsyncIterator[bytes], most: int) -> None:
    """Read on, for a while: a sender whose connection is cut while it sends sees no answer, and sends it all again."""
    async for chunk in chunks:
        most -= len(chunk)
        if most < 0:
            return


def inflated(data: bytes, encoding: str, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """A body that is here already, inflated; like `read_body`."""
    body = _Body(encoding, limit)
    body.add(data)
    return body.whole()


class _Body:
    """What was inflated so far, never more than the bound."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._inflater = _inflater(encoding)
        self._encoding = encoding
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        while data:
            try:
                piece, data = self._inflater(data, self._limit - self._size + 1)
            except (zlib.error, EOFError, RuntimeError, zstd.ZstdError) as error:
                raise BodyCorrupt(f"the body is no {self._encoding}: {error}") from error
            self._size += len(piece)
            if self._size > self._limit:
                raise BodyTooLarge(f"the body is over {self._limit} bytes")
            self._pieces.append(piece)

    def whole(self) -> bytes:
        if self._size and not self._inflater.complete:
            raise BodyCorrupt(f"the body ends in the middle of its {self._encoding}")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class _Identity:
    """No encoding; like the others it gives at most so many bytes a call and says what input is left."""

    complete = True

    def __call__(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        return data[:limit], data[limit:]


class _Zlib:
    """One zlib stream."""

    def __init__(self, wbits: int) -> None:
        self._decompressor = zlib.decompressobj(wbits)

    def __call__(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        if self._decompressor.eof:
            raise EOFError("bytes after its end")
        piece = self._decompressor.decompress(data, max(1, limit))
        return piece, self._decompressor.unconsumed_tail or self._decompressor.unused_data

    @property
    def complete(self) -> bool:
        return self._decompressor.eof


class _Frame:
    """One zstd or lz4 frame. Input it has taken is never left over: the limit it is given is past the bound."""

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor

    def __call__(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        if self._decompressor.eof:
            raise EOFError("bytes after its end")
        piece: bytes = self._decompressor.decompress(data, max(1, limit))
        return piece, self._decompressor.unused_data or b""

    @property
    def complete(self) -> bool:
        return bool(self._decompressor.eof)


def _inflater(encoding: str) -> _Identity | _Zlib | _Frame:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip":
            return _Zlib(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "zstd":
            return _Frame(zstd.ZstdDecompressor())
        case "lz4":
            return _Frame(lz4.frame.LZ4FrameDecompressor())
    raise EncodingUnsupported(
        f"Content-Encoding {encoding!r} is not supported; send identity, gzip, deflate, zstd or lz4"
    )
