"""Running tests against the code of a reply, in a process of its own with limits on time, memory and files.

The limits hold faulty programs. They are no sandbox: run what you do not trust in a container.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.scoring.matching import known, reference
from leyden_exporters.scoring.plugin import Case, Score

_FENCE = re.compile(r"```(?:python|py)?[^\S\n]*\n(.*?)```", re.DOTALL)
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Tests:
    """1 where the reply's code passes the tests in the reference, else 0: Python text that runs after it.

    timeout_s: of the wall clock, and of the processor; memory_mb: of address space
    """

    __test__ = False  # its name is not pytest's business

    timeout_s: float = 10.0
    memory_mb: int = 1024
    name: str = "tests"
    version: str = "1"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Reads `timeout_s` and `memory_mb`. Raises OptionsInvalid."""
        known(settings, {"timeout_s", "memory_mb"}, "tests")
        try:
            made = cls(float(settings.get("timeout_s", 10)), int(settings.get("memory_mb", 1024)))
        except ValueError as error:
            raise OptionsInvalid(f"timeout_s and memory_mb are numbers: {error}") from error
        if made.timeout_s <= 0 or made.memory_mb < 64:
            raise OptionsInvalid("timeout_s is above 0, and memory_mb at least 64")
        return made

    def __call__(self, case: Case) -> Score:
        """Run the code, then the tests; a program that takes too long fails them."""
        program = f"{code_of(case.answer)}\n\n{reference(case)}\n"
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "program.py").write_text(program, encoding="utf-8")
            return self._run(Path(folder))

    def _run(self, folder: Path) -> Score:
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "program.py"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8"},
                start_new_session=True,
                preexec_fn=self._limit,
            )
            try:
                code = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                # Its children too: they are of its session.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said = (folder / "output").read_bytes()[-_SHOWN:].decode(errors="replace").strip()
        if code is None or code == -signal.SIGXCPU:
            return Score(0.0, "timeout", f"ran longer than {self.timeout_s:g} s")
        return Score(float(code == 0), "passed" if code == 0 else "failed", "" if code == 0 else said)

    def _limit(self) -> None:
        memory, seconds = self.memory_mb << 20, int(self.timeout_s) + 1
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def code_of(answer: str) -> str:
    """The last fenced block of a reply, or all of it."""
    found = _FENCE.findall(answer)
    return str(found[-1]) if found else answer
