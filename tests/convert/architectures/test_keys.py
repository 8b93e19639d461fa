"""Every key of a file's architecture is read, known to change nothing, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jan_ort.convert import convert_gguf
from jan_ort.convert.architectures.decoder import HARMLESS_KEYS, NEUTRAL_VALUES, Decoder
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.gpt_oss import GPT_OSS
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.architectures.mistral3 import MISTRAL3
from jan_ort.convert.architectures.qwen2 import QWEN2
from jan_ort.convert.architectures.rotary import _read_scaling
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_llama import TinyLlama


def read(metadata: dict[str, Any], folder: Path) -> None:
    read_decoder_config(GgufFile(TinyLlama(metadata=metadata).write(folder / "tiny.gguf")), LLAMA)


def not_neutral(key: str) -> Any:
    return False if key == "attention.causal" else 2.5


@pytest.mark.parametrize("key", sorted(NEUTRAL_VALUES.keys() - LLAMA.harmless_keys - {"expert_count"}))
def test_a_key_that_changes_the_model_is_refused_with_its_value(key: str, tmp_path: Path) -> None:
    value = not_neutral(key)

    with pytest.raises(ConversionError, match=f"tiny.gguf: .*'llama.{key}' changes the model .*'{value}'"):
        read({f"llama.{key}": value}, tmp_path)


@pytest.mark.parametrize(("key", "value"), [(key, each) for key in NEUTRAL_VALUES for each in NEUTRAL_VALUES[key]])
def test_the_value_that_leaves_a_part_out_is_no_reason_to_refuse(key: str, value: Any, tmp_path: Path) -> None:
    read({f"llama.{key}": value}, tmp_path)


@pytest.mark.parametrize("key", sorted(HARMLESS_KEYS))
def test_a_key_that_changes_nothing_may_have_any_value(key: str, tmp_path: Path) -> None:
    read({f"llama.{key}": 3}, tmp_path)


@pytest.mark.parametrize("value", [0, 7, 0.0, False, True, "word", [1, 2]], ids=repr)
def test_a_key_that_is_not_known_is_refused_whatever_its_value(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"'llama\.of_tomorrow' changes the model in a way that is not supported"):
        read({"llama.of_tomorrow": value}, tmp_path)


@pytest.mark.parametrize("key", ["other.of_tomorrow", "general.of_tomorrow", "llama2.of_tomorrow"])
def test_keys_that_are_not_the_architecture_s_are_left_alone(key: str, tmp_path: Path) -> None:
    read({key: 3}, tmp_path)


def test_nothing_is_written_for_a_file_that_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError):
        convert_gguf(TinyLlama(metadata={"llama.attention.causal": False}).write(tmp_path / "a.gguf"), target)

    assert list(target.iterdir()) == []


@pytest.mark.parametrize("kind", [None, "linear", "none"])
def test_a_rope_factor_is_linear_unless_the_file_says_none(kind: str | None, tmp_path: Path) -> None:
    metadata = {"llama.rope.scaling.factor": 4.0, "llama.rope.scaling.type": kind}
    source = GgufFile(TinyLlama(metadata=metadata).write(tmp_path / "tiny.gguf"))

    rotary = read_decoder_config(source, LLAMA).rotaries[0]

    assert rotary is not None
    assert (rotary.scaling.factor if rotary.scaling else 1.0) == (1.0 if kind == "none" else 4.0)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_a_factor_of_no_scaling_is_refused_where_windows_follow_it(factor: float, tmp_path: Path) -> None:
    metadata = {"gpt-oss.rope.scaling.type": "none", "gpt-oss.rope.scaling.factor": factor}
    source = GgufFile(TinyLlama(metadata=metadata, decoder=GPT_OSS).write(tmp_path / "tiny.gguf"))

    if factor == 1.0:
        assert _read_scaling(source, GPT_OSS, 64) is None
    else:
        with pytest.raises(ConversionError, match="'none' with the factor 4, which layers"):
            _read_scaling(source, GPT_OSS, 64)


def test_a_window_is_passed_over_in_llama_files_only_as_llama_cpp_does(tmp_path: Path) -> None:
    read({"llama.attention.sliding_window": 16}, tmp_path)

    model = TinyLlama(metadata={"llama.attention.sliding_window": 16}, decoder=QWEN2)
    with pytest.raises(ConversionError, match=r"'qwen2\.attention\.sliding_window' changes the model"):
        read_decoder_config(GgufFile(model.write(tmp_path / "qwen2.gguf")), QWEN2)


@pytest.mark.parametrize(
    ("decoder", "metadata"),
    [
        (LLAMA, {"llama.rope.freq_base": 1.0}),
        (MISTRAL3, {"llama.rope.scaling.yarn_beta_fast": 0.0}),
        (MISTRAL3, {"llama.rope.scaling.yarn_beta_slow": -1.0}),
    ],
)
def test_numbers_that_yarn_cannot_work_with_are_refused(
    decoder: Decoder, metadata: dict[str, Any], tmp_path: Path
) -> None:
    yarn = {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0}
    model = TinyLlama(metadata=yarn | metadata, decoder=decoder)

    with pytest.raises(ConversionError, match="the file is damaged"):
        read_decoder_config(GgufFile(model.write(tmp_path / "tiny.gguf")), decoder)


def test_a_rope_scaling_that_llama_cpp_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'dynamic' is not supported; supported: none, linear, yarn, longrope"):
        read({"llama.rope.scaling.type": "dynamic"}, tmp_path)
