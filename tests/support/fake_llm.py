"""A fake OpenAI-compatible server: no model behind it, replies by rule, with token ids and logprobs as vLLM gives them.

The rule, by the conversation's last message:

- a `tool` message → an answer in words that names the tools' results
- a user message with `tool:` → calls of `calculate` and `count_letters` at once
- with `fail:` → a 400; with `slow:` → the answer after the seconds that follow
- anything else → `echo: ` and the message

Token ids are the UTF-8 bytes of the text; the logprob of a token is -(id / 1000). `requests` keeps the bodies received.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CALLS = [
    ("calculate", '{"expression":  "17 * 23"}'),
    ("count_letters", '{"word": "lightning"}'),
]
"""The tool calls asked for; two spaces in the arguments, so that a test sees whether the exact string survives."""


def ids_of(text: str) -> list[int]:
    """The token ids of a text, as this server counts."""
    return list(text.encode())


def logprobs_of(ids: list[int]) -> list[float]:
    """The logprobs this server gives for ids."""
    return [-i / 1000 for i in ids]


class FakeLlm:
    """Listens on a free port of 127.0.0.1 as a context manager.

    strict: refuse fields that OpenAI does not know, as some servers do
    policy_version: given in every reply, when not None
    """

    def __init__(self, *, strict: bool = False, policy_version: int | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.strict = strict
        self.policy_version = policy_version
        self._count = 0
        self._lock = threading.Lock()
        llm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with llm._lock:
                    llm.requests.append(body)
                    llm._count += 1
                    number = llm._count
                if error := llm._refusal(body):
                    self._send(400, "application/json", json.dumps({"error": {"message": error}}).encode())
                elif body.get("stream"):
                    events = [f"data: {json.dumps(c)}\n\n" for c in llm._chunks(body, number)]
                    self._send(200, "text/event-stream", "".join([*events, "data: [DONE]\n\n"]).encode())
                else:
                    reply = json.dumps(llm._reply(body, number), separators=(",", ":"))  # as servers write it
                    self._send(200, "application/json", reply.encode())

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def env(self) -> dict[str, str]:
        """What points the openai client here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "none", "OPENAI_MODEL": "fake"}

    def __enter__(self) -> FakeLlm:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _refusal(self, body: dict[str, Any]) -> str | None:
        if self.strict and "return_token_ids" in body:
            return "unknown field: return_token_ids"
        return "told to fail" if "fail:" in str(body["messages"][-1].get("content")) else None

    def _reply(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        text, calls = _answer(body, number)
        choices = []
        for index in range(body.get("n") or 1):
            message: dict[str, Any] = {"role": "assistant", "content": f"{text}{'!' * index}" if text else None}
            if calls:
                message["tool_calls"] = calls
            choice = {"index": index, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
            choices.append(choice | _tokens(body, sampled(text, calls) + "!" * index))
        return self._head(body, number, "chat.completion") | _prompt(body) | {"choices": choices, "usage": _usage(body)}

    def _chunks(self, body: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
        """The same reply in pieces: the prompt's ids first, ids and logprobs with each piece, usage last."""
        head = self._head(body, number, "chat.completion.chunk")
        text, calls = _answer(body, number)
        first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}
        yield head | _prompt(body) | {"choices": [first]}
        pieces = re.findall(r".{1,7}", sampled(text, calls), re.DOTALL)
        deltas: list[dict[str, Any]] = [{"content": p} for p in pieces] if text else [{} for _ in pieces]
        for index, call in enumerate(calls):
            function = call["function"]
            half = len(function["arguments"]) // 2
            begin = {"name": function["name"], "arguments": function["arguments"][:half]}
            parts = [
                {"index": index, "id": call["id"], "type": "function", "function": begin},
                {"index": index, "function": {"arguments": function["arguments"][half:]}},
            ]
            deltas[2 * index : 2 * index + 2] = [{"tool_calls": [part]} for part in parts]
        for delta, piece in zip(deltas, pieces, strict=True):
            yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None} | _tokens(body, piece)]}
        reason = "tool_calls" if calls else "stop"
        yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, "logprobs": None}]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield head | {"choices": [], "usage": _usage(body)}

    def _head(self, body: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
        version = {} if self.policy_version is None else {"policy_version": self.policy_version}
        return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": body["model"]} | version


def prompt_text(messages: list[dict[str, Any]]) -> str:
    """The prompt whose bytes are the prompt's token ids."""
    return "".join(f"<{m['role']}>{m.get('content') or ''}" for m in messages)


def sampled(text: str | None, calls: list[dict[str, Any]]) -> str:
    """What the model is said to have sampled: the text, or the calls as text."""
    return text or "".join(f"<call>{c['function']['name']}{c['function']['arguments']}" for c in calls)


def _answer(body: dict[str, Any], number: int) -> tuple[str | None, list[dict[str, Any]]]:
    last = body["messages"][-1]
    content = str(last.get("content"))
    if slow := re.search(r"slow:(\d+)", content):
        time.sleep(int(slow[1]))
    if last["role"] == "tool":
        results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        return f"The tools say {', '.join(results)}.", []
    if "tool:" in content:
        return None, [
            {"id": f"call_{number}_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for i, (name, arguments) in enumerate(CALLS)
        ]
    if body.get("response_format"):
        return '{"answer": 42}', []
    return f"echo: {content}", []


def _prompt(body: dict[str, Any]) -> dict[str, Any]:
    return {"prompt_token_ids": ids_of(prompt_text(body["messages"]))} if body.get("return_token_ids") else {}


def _tokens(body: dict[str, Any], piece: str) -> dict[str, Any]:
    ids = ids_of(piece)
    found: dict[str, Any] = {"logprobs": None}
    if body.get("logprobs"):
        pairs = zip(ids, logprobs_of(ids), strict=True)
        found["logprobs"] = {"content": [{"token": chr(i), "logprob": p, "top_logprobs": []} for i, p in pairs]}
    return found | ({"token_ids": ids} if body.get("return_token_ids") else {})


def _usage(body: dict[str, Any]) -> dict[str, int]:
    prompt = len(ids_of(prompt_text(body["messages"])))
    return {"prompt_tokens": prompt, "completion_tokens": 9, "total_tokens": prompt + 9}
