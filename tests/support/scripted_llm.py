"""A fake upstream that does as it is told, request by request: a status, a header, a broken connection, a stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What to answer: `pieces` are sent one by one; `breaks` cuts the connection after them, with more announced."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] | None = None
    breaks: bool = False
    before_last: Callable[[], object] = lambda: None


REPLY = {
    "id": "chatcmpl-up",
    "object": "chat.completion",
    "model": "up-7b",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


class ScriptedLlm:
    """Listens on a free port of 127.0.0.1 as a context manager; gives its answers in turn, the last for ever.

    left: somebody went away while being answered
    """

    def __init__(self, *answers: Answer) -> None:
        self.seen: list[Seen] = []
        self.left = threading.Event()
        self._answers = list(answers) or [Answer(body=REPLY)]
        self._lock = threading.Lock()
        llm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                with llm._lock:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    llm.seen.append(Seen(self.command, self.path, headers, body))
                    answer = llm._answers.pop(0) if len(llm._answers) > 1 else llm._answers[0]
                try:
                    self._answer(answer)
                except ConnectionError:
                    llm.left.set()

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names that the base class calls

            def _answer(self, answer: Answer) -> None:
                if answer.status == 0:
                    self.close_connection = True
                    return
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                headers = {"content-type": "application/json"} | answer.headers
                if answer.pieces is None:
                    headers["content-length"] = str(len(body) + (100 if answer.breaks else 0))
                else:
                    headers |= {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if answer.pieces is None:
                    self.wfile.write(body)
                    self.close_connection = answer.breaks
                    return
                for number, piece in enumerate(answer.pieces, 1):
                    if number == len(answer.pieces):
                        answer.before_last()
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.flush()
                if answer.breaks:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedLlm:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def sse(*chunks: dict[str, Any]) -> list[bytes]:
    """Chunks as events, `[DONE]` last."""
    return [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in chunks] + [
        b"data: [DONE]\n\n"
    ]
