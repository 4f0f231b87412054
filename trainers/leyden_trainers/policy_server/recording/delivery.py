"""Getting recorded calls to the collector: a thread of its own, a bounded queue, and a count of what was lost."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from leyden_trainers.policy_server.recording.recorder import Recording

ROOM = 256 * 2**20
"""Bytes, about, of calls that may wait while the collector is away; what comes on top is lost, and counted."""
_BATCH_SPANS = 64
_BATCH_BYTES = 4 * 2**20
_AGAIN = frozenset({408, 429, 502, 503, 504})
_LONGEST_PAUSE = 5.0

Encode = Callable[[list[Recording]], bytes]
"""Calls as the body of an OTLP request."""


@dataclass(slots=True)
class Counts:
    """Calls: recorded = delivered + waiting + lost."""

    recorded: int = 0
    delivered: int = 0
    lost: int = 0

    @property
    def waiting(self) -> int:
        return self.recorded - self.delivered - self.lost

    def to_json(self) -> dict[str, int]:
        return {"recorded": self.recorded, "delivered": self.delivered, "waiting": self.waiting, "lost": self.lost}


class Delivery:
    """Sends calls to `collector`, its base URL. While it is away they wait, and it is asked again until `close`."""

    def __init__(self, collector: str, encode: Encode, headers: Mapping[str, str], *, room: int = ROOM) -> None:
        self.counts = Counts()
        self._url = f"{collector.rstrip('/')}/v1/traces"
        self._encode = encode
        self._room = room
        self._bytes = 0
        self._why = ""
        self._away = self._said = False
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._queue: queue.SimpleQueue[Recording | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._deadline = float("inf")
        sent = {"content-type": "application/x-protobuf", **headers}
        self._client = httpx.Client(headers=sent, timeout=10)
        self._thread = threading.Thread(target=self._work, name="leyden-recording", daemon=True)
        self._thread.start()

    def put(self, recording: Recording) -> None:
        """Take a call; it is lost, and counted, where there is no room."""
        with self._lock:
            self.counts.recorded += 1
            if self._bytes + recording.size > self._room and self._bytes:
                self.counts.lost += 1
                self._why = f"{self._room >> 20} MiB of them wait already"
                return
            self._bytes += recording.size
        self._queue.put(recording)

    def flush(self, timeout: float) -> bool:
        """Wait until what was recorded is delivered or lost; false where `timeout` seconds do not do."""
        with self._settled:
            upto = self.counts.recorded
            return self._settled.wait_for(lambda: self.counts.delivered + self.counts.lost >= upto, timeout)

    def close(self, patience: float = 5.0) -> None:
        """Send what waits, for so many seconds; what is left is lost. One line says how much was lost in all."""
        self._deadline = time.monotonic() + patience
        self._stop.set()
        self._queue.put(None)
        self._thread.join(patience + 1)
        self._client.close()
        lost = self.counts.lost + self.counts.waiting
        if lost:
            said = f"leyden: {lost} of {self.counts.recorded} recorded calls did not reach {self._url}: {self._why}"
            print(said, file=sys.stderr, flush=True)

    def _work(self) -> None:
        going = True
        while going:
            batch, going = self._batch()
            if batch:
                self._send(batch)

    def _batch(self) -> tuple[list[Recording], bool]:
        """What waits, as much as one request should hold, waiting for the first; false when it was the last."""
        batch: list[Recording] = []
        size = 0
        while not batch or (len(batch) < _BATCH_SPANS and size < _BATCH_BYTES and not self._queue.empty()):
            recording = self._queue.get()
            if recording is None:
                return batch, False
            batch.append(recording)
            size += recording.size
        return batch, True

    def _send(self, batch: list[Recording]) -> None:
        lost = len(batch)
        try:
            lost = self._post(self._encode(batch), lost)
        except Exception as error:  # a call that cannot be written must not end the recording of others
            if len(batch) > 1:
                for recording in batch:
                    self._send([recording])
                return
            self._why = f"{type(error).__name__}: {error}"
        with self._settled:
            self.counts.lost += lost
            self.counts.delivered += len(batch) - lost
            self._bytes -= sum(recording.size for recording in batch)
            self._settled.notify_all()
        if lost and not self._said:
            self._said = True
            self._say(f"the collector did not take {lost} of {len(batch)} recorded calls ({self._why}); see /health")

    def _post(self, body: bytes, spans: int) -> int:
        """Send the body until the collector has taken it; how many of its spans are lost."""
        pause = 0.1
        while True:
            try:
                reply = self._client.post(self._url, content=body)
            except httpx.HTTPError as error:
                self._why = str(error) or type(error).__name__
            else:
                if reply.is_success:
                    self._away = False
                    return self._rejected(reply.content)
                self._why = f"it answered {reply.status_code} {reply.text.strip()[:200]}".strip()
                if reply.status_code not in _AGAIN:
                    return spans
            if not self._away:
                self._away = True
                self._say(f"recorded calls do not reach {self._url} ({self._why}); they wait, the server goes on")
            left = self._deadline - time.monotonic()
            if left <= 0:
                return spans
            if self._stop.is_set():
                time.sleep(min(pause, left))
            else:
                self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _rejected(self, body: bytes) -> int:
        try:
            partial = ExportTraceServiceResponse.FromString(body).partial_success
        except DecodeError:
            return 0
        self._why = partial.error_message or self._why
        return int(partial.rejected_spans)

    @staticmethod
    def _say(words: str) -> None:
        print(f"leyden: {words}", file=sys.stderr, flush=True)
