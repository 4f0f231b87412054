"""HTTP parsed in C, for a body comes in many pieces; with bounds on what stands around it, which the parser has not."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 << 10
"""Of a request's target, headers and trailers; beyond one read, of what the parser keeps too, such as half a header."""


class BoundedHttp(HttpToolsProtocol):
    """A connection. One whose requests have larger heads is answered 400 and closed."""

    _head = 0
    _kept = 0

    def data_received(self, data: bytes) -> None:
        """Parse; what leads to no callback is kept by the parser."""
        self._kept += len(data)
        super().data_received(data)
        if self._kept > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = self._kept = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Part of a target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Part of a body, which its reader bounds."""
        self._kept = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ends."""
        self._kept = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._kept = 0
        self._head += size
        if self._head > MAX_HEAD_BYTES:
            raise ValueError("the request's head is too large")  # answered 400, as what does not parse
