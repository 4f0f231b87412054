"""Request bodies, read and inflated under a hard bound: a bomb costs no more memory than the bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable

MAX_BODY_BYTES = 64 << 20
"""OTLP recommends this limit after decompression (opentelemetry-proto specification, 1.11)."""


class BodyTooLarge(Exception):
    """The body is larger than the bound, inflated or not."""


class EncodingUnsupported(Exception):
    """The Content-Encoding is none we read."""


class BodyCorrupt(Exception):
    """The body does not inflate."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """Read and inflate a body. Encodings: identity, gzip, deflate.

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
            except zlib.error as error:
                raise BodyCorrupt(f"the body is no {encoding}: {error}") from error
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(f"the body is over {limit} bytes")
            out.append(piece)
    return out[0] if len(out) == 1 else b"".join(out)


class _Zlib:
    """One zlib stream; gives at most so many bytes a call and says what input is left."""

    def __init__(self, wbits: int) -> None:
        self._decompressor = zlib.decompressobj(wbits)

    def __call__(self, data: bytes, limit: int) -> tuple[bytes, bytes]:
        if self._decompressor.eof:
            raise zlib.error("bytes after the end")
        return self._decompressor.decompress(data, max(1, limit)), self._decompressor.unconsumed_tail


def _identity(data: bytes, limit: int) -> tuple[bytes, bytes]:
    return data[:limit], data[limit:]


def _inflater(encoding: str) -> Callable[[bytes, int], tuple[bytes, bytes]]:
    match encoding.strip().lower():
        case "" | "identity":
            return _identity
        case "gzip":
            return _Zlib(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
    raise EncodingUnsupported(f"Content-Encoding {encoding!r} is not supported; send identity, gzip or deflate")
