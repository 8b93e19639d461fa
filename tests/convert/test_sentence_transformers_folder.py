import json
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jan_ort.convert import convert_sentence_transformers
from jan_ort.ground.model_errors import ConversionError
from tests.convert import tiny_bert
from tests.convert.tiny_bert import write_tiny_bert

ROWS = [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10, 11, 0]]
MINILM = Path(__file__).parents[1] / "fixtures" / "minilm" / "embeddings.npz"


def run(folder: Path, rows: list[list[int]]) -> NDArray[np.float32]:
    """Embed ``rows`` in one batch, padded on the right with a token that must not matter."""
    length = max(map(len, rows))
    token_ids = np.array([row + [1] * (length - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows], np.int64)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    (embeddings,) = session.run(["sentence_embedding"], {"input_ids": token_ids, "attention_mask": mask})
    assert isinstance(embeddings, np.ndarray)
    return embeddings


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_the_graph_equals_the_slow_forward_pass(tmp_path: Path, target: Path, pooling: str, normalize: bool) -> None:
    source = write_tiny_bert(tmp_path / "source", pooling=pooling, normalize=normalize)
    tensors = tiny_bert.random_tensors()

    convert_sentence_transformers(source, target)

    expected = [tiny_bert.embed(tensors, row, pooling=pooling, normalize=normalize) for row in ROWS]
    np.testing.assert_allclose(run(target, ROWS), expected, atol=2e-6)


def test_a_row_in_a_batch_equals_the_row_alone(tmp_path: Path, target: Path) -> None:
    convert_sentence_transformers(write_tiny_bert(tmp_path / "source"), target)

    alone = np.concatenate([run(target, [row]) for row in ROWS])

    np.testing.assert_allclose(run(target, ROWS), alone, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_float_types_and_a_prefix_are_read(tmp_path: Path, target: Path, dtype: type) -> None:
    tensors = {name: tensor.astype(dtype) for name, tensor in tiny_bert.random_tensors("bert.").items()}
    rounded = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in tensors.items()}

    convert_sentence_transformers(write_tiny_bert(tmp_path / "source", tensors=tensors), target)

    expected = tiny_bert.embed(rounded, ROWS[0], pooling="mean_tokens", normalize=True)
    np.testing.assert_allclose(run(target, ROWS[:1])[0], expected, atol=2e-6)


def test_the_folder_says_what_it_is(tmp_path: Path, target: Path) -> None:
    convert_sentence_transformers(write_tiny_bert(tmp_path / "source"), target, name="tiny")

    described = json.loads((target / "jan_ort.json").read_text())
    assert (described["name"], described["task"], described["context_length"]) == ("tiny", "embed", 10)
    assert (described["format"], described["weights"], described["source"]["file"]) == (
        1,
        "float32",
        "model.safetensors",
    )
    model = onnx.load(target / "model.onnx", load_external_data=False)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties == {"jan_ort.graph": "sentence-embedding/1", "jan_ort.context_length": "10"}
    assert json.loads((target / "tokenizer_config.json").read_text())["model_max_length"] == 10


def test_truncation_and_padding_that_were_saved_are_removed(tmp_path: Path, target: Path) -> None:
    convert_sentence_transformers(write_tiny_bert(tmp_path / "source"), target)

    tokenizer = json.loads((target / "tokenizer.json").read_text())
    assert (tokenizer["truncation"], tokenizer["padding"]) == (None, None)


def test_progress_goes_from_nothing_to_all(tmp_path: Path, target: Path) -> None:
    fractions: list[float] = []

    convert_sentence_transformers(
        write_tiny_bert(tmp_path / "source"), target, progress=lambda stage, fraction: fractions.append(fraction)
    )

    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "albert"}, "architecture 'albert' is not supported; supported: bert"),
        ({"hidden_act": "mish"}, "hidden_act is 'mish': it is not supported; supported: gelu"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key': supported: absolute"),
        ({"num_attention_heads": 3}, "impossible sizes"),
        ({"num_hidden_layers": None}, "does not say num_hidden_layers"),
        ({"num_hidden_layers": 3}, r"has no tensor 'encoder\.layer\.2\."),
        ({"vocab_size": 13}, r"has the shape \(12, 16\); its configuration calls for \(13, 16\)"),
    ],
)
def test_a_config_that_cannot_be_converted_is_refused_by_name(
    tmp_path: Path, target: Path, change: dict[str, object], message: str
) -> None:
    source = write_tiny_bert(tmp_path / "source", **change)

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(source, target)


@pytest.mark.parametrize("pooling", ["mean_sqrt_len_tokens", "weightedmean"])
def test_another_pooling_is_refused_by_name(tmp_path: Path, target: Path, pooling: str) -> None:
    source = write_tiny_bert(tmp_path / "source", pooling=pooling)

    with pytest.raises(ConversionError, match=f"pooling '{pooling}' is not supported; supported: mean, cls, max, last"):
        convert_sentence_transformers(source, target)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", [{"type": "x.WordWeights", "path": "2_W"}], "module 'WordWeights' is not supported"),
        ("modules.json", [{"type": "x.Transformer", "path": ""}], "names no Pooling module"),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "pooling 'weightedmean' is not supported"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            r"pooling 'cls_token \+ mean_tokens' is not supported",
        ),
        ("1_Pooling/config.json", {"pooling_mode": "mean", "include_prompt": False}, "include_prompt false is not"),
    ],
)
def test_a_setting_that_would_change_the_vectors_is_refused(
    tmp_path: Path, target: Path, name: str, content: object, message: str
) -> None:
    source = write_tiny_bert(tmp_path / "source")
    (source / name).write_text(json.dumps(content))

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(source, target)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_file_about_texts_is_followed_whatever_it_is_called(tmp_path: Path, target: Path, kind: str) -> None:
    source = write_tiny_bert(tmp_path / "source")
    (source / "sentence_bert_config.json").unlink()
    name = f"sentence_{kind}_config.json"
    (source / name).write_text(json.dumps({"max_seq_length": 7, "do_lower_case": True}))

    convert_sentence_transformers(source, target)

    assert json.loads((target / "jan_ort.json").read_text())["context_length"] == 7
    assert json.loads((target / name).read_text())["do_lower_case"] is True


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, target: Path, name: str) -> None:
    source = write_tiny_bert(tmp_path / "source")
    (source / name).unlink()

    with pytest.raises(ConversionError, match=re.escape(f"{Path(name)} is missing")):
        convert_sentence_transformers(source, target)


def test_weights_that_are_cut_off_are_an_error(tmp_path: Path, target: Path) -> None:
    source = write_tiny_bert(tmp_path / "source")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(ConversionError, match="truncated or damaged safetensors file"):
        convert_sentence_transformers(source, target)


@pytest.mark.weights
def test_minilm_equals_the_published_model(minilm_folder: Path) -> None:
    recorded = np.load(MINILM)
    tokenizer = Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    rows = [encoding.ids for encoding in tokenizer.encode_batch([str(text) for text in recorded["texts"]])]

    embeddings = np.concatenate([run(minilm_folder, [row]) for row in rows])

    cosines = (embeddings * recorded["embeddings"]).sum(axis=1)  # both have length 1
    assert len(rows) >= 40
    assert max(map(len, rows)) == 256
    assert cosines.min() >= 0.9999
