"""What is evaluated is what agents ask: a checkpoint that is served meanwhile, or a model that is served already."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_trainers.errors import EvaluationInvalid, ModelInvalid, ServerLost
from leyden_trainers.evaluation.subjects import policy_at, served
from leyden_trainers.online.asking import ask
from leyden_trainers.online.runner import Policy
from leyden_trainers.publishing import folder_hash
from tests.support.tiny_policy import Served


def test_a_checkpoint_is_served_under_its_hash_and_no_longer_than_it_takes(tiny: Path) -> None:
    with served(checkpoint=tiny) as policy:
        asked = {"model": policy.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        reply = ask(f"{policy.base_url}/chat/completions", asked)
    assert policy.version == str(reply["policy_version"]) == folder_hash(tiny)[:16]
    with pytest.raises(ServerLost):
        ask(f"{policy.base_url}/models", timeout_s=5)


def test_a_model_is_named_by_its_servers_url_and_its_name(served: Served) -> None:
    assert policy_at("http://h:1/v1/org/name") == Policy("http://h:1/v1", "org/name", "")
    assert policy_at("gpt-4o") == Policy("", "gpt-4o", "")
    first = policy_at(served.url)
    assert first == Policy(served.url, first.model, "")
    assert first.model
    with pytest.raises(
        EvaluationInvalid, match=r"'http://h:1/models' is no model: write a name, or http://HOST:PORT/v1"
    ):
        policy_at("http://h:1/models")


def test_a_folder_without_a_model_and_both_at_once_are_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(ModelInvalid), served(checkpoint=tmp_path):
        pass
    with pytest.raises(EvaluationInvalid, match="not both"), served("m", tiny):
        pass
