"""The environment of a recorded program, and the names that programs go by."""

from __future__ import annotations

import pytest

from leyden_instrumentation import bootstrap_path, environment
from leyden_instrumentation.identity import Identity, from_environment
from leyden_instrumentation.program import name


def test_what_is_given_wins_and_what_is_set_stays() -> None:
    base = {"PYTHONPATH": "/mine", "LEYDEN_GROUP_ID": "theirs", "OTEL_PYTHON_DISTRO": "other", "HOME": "/h"}
    env = environment(base, endpoint="http://c:1", rollout_id="r", attempt=0)
    assert env["PYTHONPATH"] == f"{bootstrap_path()}:/mine"
    assert env["OTEL_PYTHON_DISTRO"] == "other"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://c:1"
    assert from_environment(env) == Identity(rollout_id="r", group_id="theirs", attempt=0)
    assert base["PYTHONPATH"] == "/mine"


def test_every_launch_is_a_rollout_of_its_own_unless_one_is_named() -> None:
    ids = {environment({})["LEYDEN_ROLLOUT_ID"] for _ in range(3)}
    assert len(ids) == 3
    assert environment({"LEYDEN_ROLLOUT_ID": "kept"})["LEYDEN_ROLLOUT_ID"] == "kept"
    twice = environment(environment({"PYTHONPATH": "/mine"}))
    assert twice["PYTHONPATH"] == f"{bootstrap_path()}:/mine"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python agent.py --x", "agent.py"),
        ("python -X dev -W error -u /deep/agent.py -m no", "agent.py"),
        ("python -m pkg.agent run", "pkg.agent"),
        ("python -mpkg", "pkg"),
        ("python -c pass", "python"),
        ("python", "python"),
        ("/venv/bin/python /venv/bin/tool go", "tool"),
    ],
)
def test_a_program_is_named_before_sys_argv_is_there(command: str, expected: str) -> None:
    assert name(command.split()) == expected


def test_an_attempt_that_is_no_number_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert from_environment({"LEYDEN_ATTEMPT": "first"}) == Identity()
    assert "no whole number" in caplog.text
