"""The server: a path for each API, answered whole or streamed as the request asks."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from examples.replay import chat, converse, gemini, messages, responses
from examples.replay.rules import Rules

_APIS: dict[str, Any] = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
    ":generateContent": gemini,
    "/converse": converse,
}


class ReplayServer:
    """Listens on a free port of 127.0.0.1, from `with` to its end. requests: the bodies received, in order."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        replay, said, numbers = self, rules or Rules(), itertools.count(1)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                api = next((api for path, api in _APIS.items() if self.path.partition("?")[0].endswith(path)), None)
                if api is None:
                    self._send(404, {"error": {"message": f"no such path: {self.path}"}})
                    return
                replay.requests.append(body)
                number = next(numbers)
                try:
                    reply = api.answer(body, said, number)
                except LookupError as error:
                    self._send(400, {"error": {"type": "invalid_request_error", "message": str(error)}})
                    return
                if body.get("stream"):
                    self._stream(api.streamed(body, reply, number), named=api is not chat)
                else:
                    self._send(200, api.whole(body, reply, number))

            def _send(self, status: int, value: dict[str, Any]) -> None:
                self._write(status, "application/json", json.dumps(value, ensure_ascii=False))

            def _stream(self, events: Any, *, named: bool) -> None:
                head = (lambda e: f"event: {e['type']}\n") if named else (lambda _: "")
                text = "".join(f"{head(e)}data: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events)
                self._write(200, "text/event-stream", text if named else text + "data: [DONE]\n\n")

            def _write(self, status: int, kind: str, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def env(self) -> dict[str, str]:
        """What points the clients of the examples here."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "replayed",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_MODEL": "replayed",
            "GOOGLE_BASE_URL": self.url,
            "BEDROCK_BASE_URL": self.url,
            # LiteLLM would look its price list up on the web as it is imported.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }

    def __enter__(self) -> ReplayServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
