"""A made-up OpenAI-compatible server for captures: the model's name says what it answers, always the same.

It answers chat completions, legacy completions, the Responses API and embeddings, streamed or not, and knows no model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.support import capture_replies as replies

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


class CaptureServer:
    """The server on a free port of 127.0.0.1, from `with` to its end."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> CaptureServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: captures are the output."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        model = body["model"]
        if model.startswith("fake-error"):
            status = int(model.removeprefix("fake-error-"))
            self._json({"error": {"message": f"made-up {status}", "type": "fake", "code": None}}, status)
        elif path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
            self._json(
                {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 3, "total_tokens": 3}}
            )
        elif path.endswith("/responses"):
            reply = _responses_body(body)
            if body.get("stream"):
                self._events(_responses_events(reply), named=True)
            else:
                self._json(reply)
        elif path.endswith("/chat/completions"):
            if model == "fake-slow":
                time.sleep(0.1)
            if body.get("stream"):
                self._events(_chunks(body), named=False)
            else:
                self._json(_chat_body(body))
        else:
            choice = {"index": 0, "text": " once upon a time", "finish_reason": "length", "logprobs": None}
            self._json(
                {
                    "id": "cmpl-1",
                    "object": "text_completion",
                    "created": 1,
                    "model": model,
                    "choices": [choice],
                    "usage": USAGE,
                }
            )

    def _json(self, reply: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(reply, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, events: Iterator[dict[str, Any]], *, named: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for event in events:
                name = f"event: {event['type']}\n" if named else ""
                self.wfile.write(f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.002)
            if not named:
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass  # The client went away: an abandoned stream is one of the scenarios.


def _fingerprint(body: dict[str, Any]) -> str:
    """An id that says the same of the same request, whichever instrumentation watches."""
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{_fingerprint(body)}", "object": kind, "created": 1, "model": body["model"] + "-2026"}


def _chat_body(body: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {"index": i, "finish_reason": finish, "logprobs": None, "message": {"role": "assistant", **message}}
        for i, (message, finish) in enumerate(replies.chat(body))
    ]
    return {**_head(body, "chat.completion"), "choices": choices, "usage": USAGE}


def _chunks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head = _head(body, "chat.completion.chunk")

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}]}

    for i, (message, finish) in enumerate(replies.chat(body)):
        yield chunk(i, {"role": "assistant", "content": ""})
        for key in ("reasoning_content", "content", "refusal"):
            for piece in _pieces(message.get(key) or ""):
                yield chunk(i, {key: piece})
        for j, call in enumerate(message.get("tool_calls") or ()):
            function = {"name": call["function"]["name"], "arguments": ""}
            yield chunk(i, {"tool_calls": [{**call, "index": j, "function": function}]})
            for piece in _pieces(call["function"]["arguments"]):
                yield chunk(i, {"tool_calls": [{"index": j, "function": {"arguments": piece}}]})
        yield chunk(i, {}, finish)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": USAGE}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def _responses_body(body: dict[str, Any]) -> dict[str, Any]:
    output, incomplete = replies.responses(body)
    return {
        "id": f"resp_{_fingerprint(body)}",
        "object": "response",
        "created_at": 1,
        "status": "incomplete" if incomplete else "completed",
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body["model"] + "-2026",
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [{"strict": False, **tool} for tool in body.get("tools") or ()],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 18,
        },
    }


def _responses_events(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    number = 0
    yield {
        "type": "response.created",
        "response": {**reply, "output": [], "status": "in_progress"},
        "sequence_number": 0,
    }
    for index, item in enumerate(reply["output"]):
        for kind in ("response.output_item.added", "response.output_item.done"):
            number += 1
            yield {"type": kind, "output_index": index, "item": item, "sequence_number": number}
    done = "response.incomplete" if reply["status"] == "incomplete" else "response.completed"
    yield {"type": done, "response": reply, "sequence_number": number + 1}
