"""A response in pieces whose making stops when nobody reads it any more."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import zlib
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor
from typing import Any

import lz4.frame
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leyden_store.errors import LeydenError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

log = logging.getLogger(__name__)


class Pieces:
    """What a StreamedResponse sends: `next` runs on a thread; `stop` makes a `next` that is under way raise."""

    def __init__(
        self, pieces: Generator[bytes, None, None], stop: Callable[[], None], close: Callable[[], None]
    ) -> None:
        self._pieces = pieces
        self._close = close
        self._closed = False
        self.stop = stop

    def next(self) -> bytes | None:
        """The next piece; None when there are no more. Raises LeydenError."""
        return next(self._pieces, None)

    def close(self) -> None:
        """Let everything go, in the middle too; again does nothing."""
        if not self._closed:
            self._closed = True
            self._pieces.close()
            self._close()


class StreamedResponse(Response):
    """Sends pieces as they are made, compressed if asked, when it is its turn.

    An error before the first piece becomes `failed`'s response. One after it is written as ClickHouse writes it, behind
    a tag that a header has named, and the connection is cut, so that no reader takes a part for the whole.
    """

    def __init__(
        self,
        open_pieces: Callable[[], Pieces],
        *,
        on: Executor,
        turns: asyncio.Semaphore,
        failed: Callable[[LeydenError], Response],
        headers: Mapping[str, str],
        encoding: str = "",
    ) -> None:
        self._open = open_pieces
        self._executor = on
        self._turns = turns
        self._failed = failed
        self._tag = secrets.token_hex(8)
        self._compressor = _COMPRESSORS[encoding]() if encoding else None
        more = {"Content-Encoding": encoding, "Vary": "Accept-Encoding"} if encoding else {}
        super().__init__(headers={**headers, **more, "X-ClickHouse-Exception-Tag": self._tag})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, or as much of it as somebody reads."""
        async with self._turns:
            gone = asyncio.create_task(_gone(receive))
            try:
                await self._send(scope, receive, send, gone)
            finally:
                gone.cancel()

    async def _send(self, scope: Scope, receive: Receive, send: Send, gone: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            pieces = await loop.run_in_executor(self._executor, self._open)
        except LeydenError as error:
            await self._failed(error)(scope, receive, send)
            return
        begun = False
        try:
            while True:
                making = loop.run_in_executor(self._executor, pieces.next)
                either: set[asyncio.Future[Any]] = {making, gone}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    while not making.done():
                        await loop.run_in_executor(None, pieces.stop)
                        await asyncio.wait({making}, timeout=0.1)
                    making.exception()
                    return
                try:
                    piece = making.result()
                except LeydenError as error:
                    if not begun:
                        await self._failed(error)(scope, receive, send)
                        return
                    log.info("a result was cut in its middle: %s", error)
                    await send(_body(self._packed(_exception(self._tag, str(error)), last=True), more=True))
                    return
                if not begun:
                    begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if piece is None:
                    # Before its reader sees the end: who asks the audit log then finds the query there.
                    await loop.run_in_executor(self._executor, pieces.close)
                    await send(_body(self._packed(b"", last=True), more=False))
                    return
                if packed := self._packed(piece):
                    await send(_body(packed, more=True))
        finally:
            await loop.run_in_executor(self._executor, pieces.close)

    def _packed(self, data: bytes, *, last: bool = False) -> bytes:
        if self._compressor is None:
            return data
        packed: bytes = self._compressor.compress(data) + (self._compressor.flush() if last else b"")
        return packed


def encoding_for(accepted: str) -> str:
    """The best of the encodings in an Accept-Encoding header that we write; "" for none."""
    offered = {part.partition(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part.split(";")}
    return next((encoding for encoding in _COMPRESSORS if encoding in offered), "")


class _Lz4:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        head = b"" if self._begun else self._frame.begin()
        self._begun = True
        return bytes(head + self._frame.compress(data))

    def flush(self) -> bytes:
        return bytes(self._frame.flush())


_COMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": _Lz4,
    "zstd": lambda: zstd.ZstdCompressor(level=1),
    "gzip": lambda: zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
    "deflate": lambda: zlib.compressobj(1),
}
"""Quickest first."""


async def _gone(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _exception(tag: str, message: str) -> bytes:
    """As WriteBufferFromHTTPServerResponse.cpp of ClickHouse writes an exception behind a part of a result."""
    said = message.encode() + b"\n"
    return b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (tag.encode(), said, len(said), tag.encode())
