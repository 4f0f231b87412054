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
    inflater = _inflater(encoding)
    out: list[bytes] = []
    size = 0
    async for chunk in chunks:
        data = chunk
        while data:
            try:
                piece, data = inflater(data, limit - size + 1)
            except (zlib.error, EOFError, RuntimeError, zstd.ZstdError) as error:
                raise BodyCorrupt(f"the body is no {encoding}: {error}") from error
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(f"the body is over {limit} bytes")
            out.append(piece)
    if size and not inflater.complete:
        raise BodyCorrupt(f"the body ends in the middle of its {encoding}")
    return out[0] if len(out) == 1 else b"".join(out)


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
