"""Layers with a state: what a file says of them is followed, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert import convert_gguf, convert_safetensors
from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.architectures.lfm2 import LFM2
from jan_ort.convert.architectures.qwen35 import QWEN35
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models.experts_and_states import lfm2, qwen35
from tests.fixtures.gguf_models.model import Model, Sizes
from tests.fixtures.gguf_models.recordings import TOKEN_IDS
from tests.fixtures.hf_models import CONFIGURATIONS
from tests.fixtures.hf_models import write as write_checkpoint

RECIPES = {"lfm2": (LFM2, lfm2), "qwen35": (QWEN35, qwen35)}


def written(arch: str, folder: Path, behind: Callable[[Model], None] = lambda model: None, **keys: object) -> Path:
    path = folder / f"{arch}.gguf"
    model = Model(path, arch, Sizes(hidden=64, head_dim=32, heads=2, kv_heads=1, ffn=64))
    RECIPES[arch][1](model, **keys)
    behind(model)
    model.close()
    return path


def read(arch: str, folder: Path, **keys: object) -> DecoderConfig:
    return read_decoder_config(GgufFile(written(arch, folder, **keys)), RECIPES[arch][0])


def converted(path: Path, target: Path) -> Path:
    target.mkdir()
    convert_gguf(path, target)
    return target


@pytest.mark.parametrize("counts", [[0, 0, 0, 0], [0, 1, 0, 2], [0, 1, 0], [0, 1, 0, -1]], ids=repr)
def test_layers_that_attend_in_different_ways_are_refused(counts: list[int], tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"'lfm2.attention.head_count_kv' is"):
        read("lfm2", tmp_path, attention__head_count_kv=counts)


@pytest.mark.parametrize(
    ("arch", "key", "value", "why"),
    [
        ("lfm2", "shortconv.l_cache", 1, "an integer from 2 to 16"),
        ("qwen35", "ssm.group_count", 3, "4 value heads cannot share 3 keys"),
        ("qwen35", "ssm.inner_size", 130, "a width of 130"),
        ("qwen35", "ssm.dt_b_c_rms", True, "changes the model in a way that is not supported"),
        ("qwen35", "full_attention_interval", 9, "no layer attends"),
        ("qwen35", "rope.dimension_sections", [4, 4, 0, 0], "leave out some of 8 pairs"),
        ("qwen35", "rope.dimension_sections", [1], "leave out some of 8 pairs"),
    ],
)
def test_a_state_that_cannot_be_is_refused(arch: str, key: str, value: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=why):
        read(arch, tmp_path, **{key.replace(".", "__"): value})


def test_layers_may_be_listed(tmp_path: Path) -> None:
    config = read("qwen35", tmp_path, attention__recurrent_layers=[True, True, True, False])

    assert config.attending == [3]


def test_layers_that_draft_are_passed_over(tmp_path: Path) -> None:
    def add_draft(model: Model) -> None:
        model.norm("blk.4.attn_norm")
        model.linear("blk.4.nextn.eh_proj", 64, 128)

    for name in ("plain", "drafts"):
        (tmp_path / name).mkdir()
    plain = converted(written("qwen35", tmp_path / "plain"), tmp_path / "one")
    keys = {"block_count": 5, "nextn_predict_layers": 1}
    drafts = converted(written("qwen35", tmp_path / "drafts", add_draft, **keys), tmp_path / "other")

    logits = [LlamaSession(folder).step(TOKEN_IDS)[0] for folder in (plain, drafts)]
    assert np.array_equal(*logits)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("lfm2", "conv_bias", True),
        ("lfm2", "use_pos_enc", False),
        ("lfm2-v5", "layer_types", ["conv", "full_attention", "full_attention", "mamba"]),
        ("lfm2", "sliding_window", 16),
        ("qwen3.5", "attn_output_gate", False),
        ("qwen3.5", "linear_of_tomorrow", 3),
    ],
)
def test_a_key_of_a_checkpoint_that_is_not_followed_is_refused(
    name: str, key: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONFIGURATIONS, name, CONFIGURATIONS[name] | {key: value})
    source, target = write_checkpoint(name, tmp_path), tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match=f"config.json: {key} is"):
        convert_safetensors(source, target)
