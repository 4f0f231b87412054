"""Is this environment fit to record an agent, and if not, what exactly is to be done? What `leyden doctor` asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leyden_instrumentation import (
    doctor_collector,
    doctor_command,
    doctor_libraries,
    doctor_packages,
    doctor_probe,
    doctor_settings,
    settings,
)
from leyden_instrumentation.distro import set_defaults
from leyden_instrumentation.doctor_command import Capture
from leyden_instrumentation.doctor_echo import EchoServer
from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.doctor_libraries import Tried
from leyden_instrumentation.doctor_packages import Instrumentation
from leyden_instrumentation.doctor_probe import Probe
from leyden_instrumentation.libraries import OPENAI, Choice, choose

_SUCCESSORS = {"opentelemetry-instrumentation-openai-v2": "opentelemetry-instrumentation-genai-openai"}
"""Instrumentations that are maintained no more, and what came after them."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found. python: the interpreter whose environment was looked at."""

    python: str
    findings: list[Finding]
    choice: Choice
    probes: list[Probe]
    libraries: list[Tried]
    command: Capture | None

    @property
    def faults(self) -> int:
        return sum(f.level == "fault" for f in self.findings)

    @property
    def warnings(self) -> int:
        return sum(f.level == "warn" for f in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "python": self.python,
            "faults": self.faults,
            "warnings": self.warnings,
            "findings": [asdict(f) for f in self.findings],
            "openai": {"instrumentation": self.choice.distribution, "why": self.choice.why},
            "probes": [asdict(p) for p in self.probes],
            "libraries": [asdict(t) for t in self.libraries],
            "command": None if self.command is None else asdict(self.command),
        }


def examine(env: Mapping[str, str], command: Sequence[str] = ()) -> Report:
    """Look at this interpreter's environment, and at what is captured of `command` if there is one.

    env: the variables the agent would be started with. OSError if the command cannot be started.
    """
    full = dict(env)
    set_defaults(full)
    installed = doctor_packages.instrumentations()
    choice = choose(OPENAI, full)
    probes = _probe(installed, choice, env)
    tried = doctor_libraries.try_all(env)
    found = list(doctor_packages.findings(installed, full))
    if doctor_packages.installed_version("openai"):
        found += _choice(choice)
        found += [_judge(one, full, probes, env) for one in probes]
    found += doctor_libraries.findings(tried, full)
    found += doctor_settings.findings(full)
    found.append(doctor_collector.check(full))
    capture = doctor_command.run(command, env) if command else None
    if capture is not None:
        found += doctor_command.findings(capture, full)
    return Report(sys.executable, found, choice, probes, tried, capture)


def _probe(installed: list[Instrumentation], choice: Choice, env: Mapping[str, str]) -> list[Probe]:
    ours = [i for i in installed if i.entry_point.name == "openai"]
    if not ours or doctor_packages.installed_version("openai") is None:
        return []
    with EchoServer() as echo:
        return [
            doctor_probe.probe(i.distribution, i.version, echo.url, env, chosen=i.distribution == choice.distribution)
            for i in ours
        ]


def _choice(choice: Choice) -> Iterator[Finding]:
    if choice.in_vain:
        asked = next((f for f in OPENAI.choices if f"={f} " in choice.why), None)
        install = f"pip install {OPENAI.choices[asked]}" if asked else f"unset {OPENAI.setting}"
        yield Finding("fault", "openai", choice.why, install)
    elif choice.distribution is not None:
        yield Finding("ok", "openai", f"{choice.distribution} would be loaded: {choice.why}")
    elif choice.why.endswith("says so"):
        yield Finding("warn", "openai", f"calls are not recorded: {choice.why}", f"unset {OPENAI.setting}")
    else:
        fix = f"pip install {OPENAI.choices['traceloop']}"
        yield Finding(
            "fault", "openai", "calls are not recorded: no instrumentation that Leyden loads is installed", fix
        )


def _judge(one: Probe, env: Mapping[str, str], probes: list[Probe], own: Mapping[str, str]) -> Finding:
    """An instrumentation that is not the chosen one may fail: nothing is lost by it.

    own: the environment without the distro's defaults: only what the user has set can be told to be unset
    """
    subject = f"{one.distribution} {one.version}"
    content = settings.enabled(settings.CAPTURE_CONTENT, env)
    wanted = {
        "content": content,
        "tool calls": content,
        "token ids": settings.token_ids_mode(env) != "off",
        "logprobs": settings.token_ids_mode(env) != "off",
    }
    seen = {
        "content": one.content,
        "tool calls": one.tool_calls,
        "token ids": one.token_ids,
        "logprobs": one.logprobs,
    }
    missing = [name for name, want in wanted.items() if want and not seen[name]]
    if one.spans and not missing:
        got = [name for name, there in seen.items() if there]
        return Finding("ok", subject, f"emits a span a call, with {', '.join(got) or 'no content, as asked'}")
    says = f"emits a span a call, without {', '.join(missing)}" if one.spans else "emits nothing"
    if one.error:
        says += f": {one.error}"
    return Finding("fault" if one.chosen else "warn", subject, says, _remedy(one, probes, own))


def _remedy(one: Probe, probes: list[Probe], env: Mapping[str, str]) -> str:
    variable = None if one.content or not one.spans else doctor_settings.content_fix(one.distribution, env)
    if variable is not None:
        return variable
    successor = _SUCCESSORS.get(one.distribution)
    if successor is not None:
        return f"pip uninstall -y {one.distribution} && pip install {successor}"
    works = {p.distribution for p in probes if p.content and p.token_ids and p is not one}
    other = next((name for name, dist in OPENAI.choices.items() if dist in works), None)
    if one.chosen and other is not None:
        return f"export {OPENAI.setting}={other}"
    return f"pip install -U {one.distribution} openai"
