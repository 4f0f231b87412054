"""A fake language model that criticises and edits prompts by rule: no model behind it, an OpenAI-compatible server.

Shown rollouts whose tasks need skills, it names those that the template lacks. Asked to edit, it adds what the critique
names: one of them or all, by the request's seed. `trouble` says what it does instead at its first requests: a status,
or a text that is of no use.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeCritic:
    """Listens on a free port of 127.0.0.1 as a context manager; `asked` keeps the bodies received."""

    def __init__(self, *trouble: int | str) -> None:
        self.asked: list[dict[str, Any]] = []
        self._trouble = list(trouble)
        critic = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                critic.asked.append(asked)
                said: int | str = critic._trouble.pop(0) if critic._trouble else answer(asked)
                self.send_response(said if isinstance(said, int) else 200)
                self.end_headers()
                choice = {"message": {"role": "assistant", "content": said}}
                self.wfile.write(json.dumps({"choices": [choice], "usage": {"total_tokens": 7}}).encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.llm = f"http://127.0.0.1:{self._server.server_address[1]}/v1/critic"

    def __enter__(self) -> FakeCritic:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(asked: dict[str, Any]) -> str:
    """The rule."""
    shown = asked["messages"][1]["content"]
    template = re.search(r"<prompt>\n(.*?)\n</prompt>", shown, re.DOTALL)
    assert template is not None
    critique = re.search(r"<critique>\n(.*?)\n</critique>", shown, re.DOTALL)
    if critique is None:
        needed = {skill for found in re.findall(r'"needs": \[(.*?)\]', shown) for skill in json.loads(f"[{found}]")}
        lacking = sorted(needed - set(re.findall(r"\w+", template[1])))
        return f"It should be told to {' and '.join(lacking)}." if lacking else "Nothing is wrong with it."
    skills = re.findall(r"(?:to|and) (\w+)", critique[1])
    added = skills if asked["seed"] // 1000 % 2 else skills[:1]
    return f"Here it is:\n<prompt>\n{template[1]} {' '.join(f'Also {skill}.' for skill in added)}\n</prompt>"
