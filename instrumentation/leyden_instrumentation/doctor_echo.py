"""A server that answers every question the same way, over the APIs of OpenAI, Anthropic, Google and Bedrock.

Chat completions come with token ids and logprobs. Where tools are offered, a conversation that ends in a tool's result
is answered in words, any other with a call of a tool. It knows no model.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTION = "leyden-doctor-question"
ANSWER = "leyden-doctor-answer"
TOOL = "leyden_doctor_tool"
ARGUMENT = "leyden-doctor-argument"


class EchoServer:
    """Listens on a free port of 127.0.0.1, from `with` to its end. url: the base URL for an openai client."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> EchoServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        reply = next((said for end, said in _REPLIES.items() if path.endswith(end)), None)
        body = json.dumps(_reply(asked) if reply is None else reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_REPLIES: dict[str, dict[str, Any]] = {
    "/messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "leyden-doctor",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    },
    ":generateContent": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "responseId": "gemini_1",
    },
    "/converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
    },
}
"""By the end of the path. None of them calls a tool."""


def _reply(asked: dict[str, Any]) -> dict[str, Any]:
    function = {"name": TOOL, "arguments": json.dumps({"text": ARGUMENT})}
    # Who offers no tool can run none.
    answered = asked["messages"][-1]["role"] == "tool" or not asked.get("tools")
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER if answered else None}
    if not answered:
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "stop" if answered else "tool_calls",
        "token_ids": [4, 5],
        "logprobs": {"content": [{"token": "t", "logprob": -0.5, "top_logprobs": []} for _ in range(2)]},
    }
    return {
        "id": f"chatcmpl-{len(asked['messages'])}",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [choice],
        "prompt_token_ids": [1, 2, 3],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
