"""SmolLM2-135M-Instruct, a real small model, with LoRA on a captured trace; opt-in: LEYDEN_TEST_SMOLLM2 is its folder.

docs/training.md says how to get the model. Minutes, and 2 GB of memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from leyden_exporters.options import Options
from leyden_exporters.retokenise import retokeniser
from leyden_store.lightning import LightningStore
from leyden_trainers.job import train
from leyden_trainers.models import load_tokenizer
from tests.support.otlp_making import put

CAPTURED = Path(__file__).parents[1] / "store" / "dialects" / "cases" / "genai-toolloop" / "input.pb"
MODEL = os.environ.get("LEYDEN_TEST_SMOLLM2", "")
STEPS = 3

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not MODEL, reason="LEYDEN_TEST_SMOLLM2 names no model's folder")]


def test_lora_on_a_captured_trace_lowers_the_loss(tmp_path: Path) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        put(store, CAPTURED.read_bytes())
        run = train(
            store,
            store.select(),
            trainer="trl-sft",
            model=MODEL,
            out=tmp_path / "out",
            options=Options(retokenise=retokeniser(load_tokenizer(MODEL))),
            sets=[
                "lora_rank=8",
                f"max_steps={STEPS}",
                "learning_rate=1e-3",
                "per_device_train_batch_size=1",
                "lr_scheduler_type=constant",
                "save_steps=2",
            ],
        )
        losses = [point["value"] for point in store.runs.curve(run.run_id) if point["name"] == "loss"]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    tuned = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert tuned.config.model_type == "llama"
    assert (tmp_path / "out" / "adapter" / "adapter_config.json").is_file()
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template
