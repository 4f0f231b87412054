"""An agent whose reward depends on its prompt, for specifications of evaluation and of prompt optimisation.

No model is in it: it earns the share of the skills a task needs that its prompt names. Told so, it breaks, or says no
reward.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

import leyden


def act(task: Any) -> str:
    """task: `{"needs": [skill, …], "breaks"?, "silent"?}`; what it answers is the skills it had."""
    told = leyden.prompt("solver", fallback="Solve {{problem}}.").fill(problem="it")
    if task.get("breaks"):
        raise RuntimeError("told to break")
    skills = [skill for skill in task["needs"] if skill in told]
    usage = {"gen_ai.usage.input_tokens": len(told), "gen_ai.usage.output_tokens": 2}
    content = f'[{{"role": "assistant", "parts": [{{"type": "text", "content": "{" ".join(skills)}"}}]}}]'
    with trace.get_tracer("opentelemetry.instrumentation.genai.openai").start_as_current_span("chat none") as span:
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "none", **usage})
        span.set_attributes({"gen_ai.input.messages": "[]", "gen_ai.output.messages": content})
    if not task.get("silent"):
        leyden.reward(len(skills) / len(task["needs"]))
    return " ".join(skills)
