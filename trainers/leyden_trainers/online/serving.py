"""The policy server that agents ask while a policy is trained: a process of our own, or one that somebody runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from leyden_store.owned import owned
from leyden_trainers.errors import ServerLost
from leyden_trainers.online.asking import ask
from leyden_trainers.online.runner import Policy

Save = Callable[[Path], None]
"""Writes the weights there are now into a folder, as `save_pretrained` does."""


class Serving(Protocol):
    """A policy server whose weights can be changed."""

    def load(self, save: Save, version: int) -> Policy:
        """Serve these weights under that version. Raises ServerLost."""
        ...

    def alive(self) -> bool:
        """Whether it can be asked."""
        ...

    def close(self) -> None:
        """Let it go; one of ours ends."""
        ...


class AnyServer:
    """A server at a URL, which takes weights by `POST /admin/load`: from a folder it can read too.

    folder: where weights are put for it; the last ones stay until `close`
    patience_s: how long one that does not answer is waited for
    """

    def __init__(self, url: str, folder: Path, *, model: str | None = None, patience_s: float = 60.0) -> None:
        self._base = url.rstrip("/").removesuffix("/v1")
        self._folder = folder
        self._model = model
        self._patience_s = patience_s

    def load(self, save: Save, version: int) -> Policy:
        """See `Serving`."""
        path = self._folder / f"policy-{version}"
        shutil.rmtree(path, ignore_errors=True)
        save(path)
        deadline = time.monotonic() + self._patience_s
        while not self.alive() and time.monotonic() < deadline:
            time.sleep(0.2)
        ask(f"{self._base}/admin/load", {"path": str(path.absolute()), "policy_version": str(version)})
        for older in self._folder.glob("policy-*"):
            if older != path:
                shutil.rmtree(older, ignore_errors=True)
        return Policy(f"{self._base}/v1", self._served(), str(version))

    def alive(self) -> bool:
        """See `Serving`."""
        try:
            ask(f"{self._base}/v1/models", timeout_s=5)
        except ServerLost:
            return False
        return True

    def close(self) -> None:
        """Remove the weights that were put for it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _served(self) -> str:
        if self._model is None:
            listed = (ask(f"{self._base}/v1/models") or {}).get("data") or [{}]
            self._model = str(listed[0].get("id", ""))
        return self._model


class OwnServer:
    """`python -m leyden_trainers.policy_server` as a process; one that died is started again when weights are loaded.

    It begins to start at once, so that it is ready when the trainer is.

    version: of the weights it is started with, which `as_given` serves
    """

    def __init__(
        self, model: str, folder: Path, *, device: str = "cpu", seed: int | None = None, version: str = ""
    ) -> None:
        options = {"--model": model, "--port": "0", "--served-model-name": "policy", "--device": device}
        options |= {} if seed is None else {"--seed": str(seed)}
        options |= {"--policy-version": version} if version else {}
        self._version = version
        self._command = [sys.executable, "-m", "leyden_trainers.policy_server"]
        self._command += [word for option in options.items() for word in option]
        self._folder = folder
        self._at: AnyServer | None = None
        self._process, self._log = self._start()

    def as_given(self) -> Policy:
        """The weights it was started with. Raises ServerLost."""
        return Policy(f"{self._url().rstrip('/').removesuffix('/v1')}/v1", "policy", self._version)

    def load(self, save: Save, version: int) -> Policy:
        """See `Serving`."""
        try:
            return self._load(save, version)
        except ServerLost:
            if self._at is None or not self._ended_just_now():
                raise
        return self._load(save, version)  # it died while it was asked

    def _load(self, save: Save, version: int) -> Policy:
        if self._process.poll() is not None and self._at is not None:
            self._end()
            self._process, self._log = self._start()
            self._at = None
        if self._at is None:
            self._at = AnyServer(self._url(), self._folder, model="policy", patience_s=0)
        return self._at.load(save, version)

    def _ended_just_now(self) -> bool:
        """Whether the process is gone: a connection may break a moment before it is."""
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return False
        return True

    def alive(self) -> bool:
        """See `Serving`."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> tuple[subprocess.Popen[str], IO[str]]:
        log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - open as long as the process
        # A session of its own: Ctrl-C is for the trainer, which ends it in order.
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=owned(os.environ),
        )
        return process, log

    def _url(self) -> str:
        """What it prints when it is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.wait()
            self._log.seek(0)
            said = [text for text in self._log.read().splitlines() if text.strip()] or ["it said nothing"]
            raise ServerLost(f"the policy server did not start: {said[-1].removeprefix('leyden: ')}")
        return line

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
