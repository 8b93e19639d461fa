"""Models that rank: GGUF files with a head, and decoders that answer yes or no, as llama.cpp and torch score pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter
from numpy.typing import NDArray

from jan_ort.convert import check_gguf_encoder, convert_gguf_encoder, convert_sentence_transformers
from jan_ort.ground.model_errors import ConversionError, ModelFolderError
from jan_ort.ground.task import GENERATE, RERANK
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.serving.served_model import open_tokenizer
from tests.convert.test_encoder_models import run, tokenized
from tests.convert.test_gguf_encoders import changed
from tests.fixtures import encoder_models
from tests.fixtures.encoder_models.configurations import CONFIGURATIONS
from tests.fixtures.gguf_models import RERANKERS, write
from tests.fixtures.gguf_models.model import Model
from tests.fixtures.gguf_models.recordings import PAIRS, VECTORS
from tests.fixtures.hf_models import reranker

LLAMA_CPP, TORCH = np.load(VECTORS), np.load(encoder_models.VECTORS)

NEAR = {"bert-rank": 5e-4, "qwen3-rank": 1e-5}
"""llama.cpp approximates BERT's GELU, and rounds it to 16 bits; torch and we do not."""


def scored(folder: Path, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    """Return what the graph says of each pair alone, which is the same in company."""
    tokenizer = open_tokenizer(ModelFolder.read(folder))
    rows = [tokenizer.encode_behind(first)(second).tolist() for first, second in pairs]
    alone = np.concatenate([run(folder, [row]) for row in rows])
    np.testing.assert_allclose(run(folder, rows), alone, atol=2e-6)
    return alone[:, 0]


def sigmoid(odds: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = 1 / (1 + np.exp(-odds))
    return result


@pytest.fixture
def one_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that are written have the first type of tokens in place of the second: llama.cpp gives no other."""
    add_tensor = GGUFWriter.add_tensor

    def add(writer: GGUFWriter, name: str, values: NDArray[Any], **more: Any) -> None:
        add_tensor(writer, name, values[[0, 0]] if name == "token_types.weight" else values, **more)

    monkeypatch.setattr(GGUFWriter, "add_tensor", add)


@pytest.mark.usefixtures("one_type")
@pytest.mark.parametrize("name", RERANKERS)
def test_a_file_scores_pairs_as_llama_cpp_does(name: str, tmp_path: Path) -> None:
    source, cache = find_source(str(write(name, tmp_path)), Known()), tmp_path / "cache"
    assert source.stated_task() == RERANK

    found = scored(source.make(Wanted(RERANK), cache), PAIRS)

    shares = sigmoid(found) if name == "qwen3-rank" else found  # llama.cpp has yes' share of yes and no
    np.testing.assert_allclose(shares, LLAMA_CPP[name], atol=NEAR[name])


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_a_file_scores_pairs_as_the_checkpoint_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    """BERT's texts of a pair have two types; XLM-RoBERTa's files have no rows for the positions that no token has."""
    folder = encoder_models.write(name, tmp_path, scores=True)
    rows = tokenized(folder, encoder_models.pairs())

    convert_gguf_encoder(_as_gguf(name, tmp_path / "made.gguf"), empty(tmp_path / "target"))

    found = np.concatenate([run(tmp_path / "target", [row]) for row in rows])[:, 0]
    np.testing.assert_allclose(found, TORCH[f"{name}/scores"], atol=1e-5)


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


GGUF_NAMES = {
    "pooler.dense": "cls",
    "classifier": "cls.output",
    "classifier.dense": "cls",
    "classifier.out_proj": "cls.output",
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
"""What llama.cpp calls the tensors of an encoder that ranks, without the number of the layer."""


def _as_gguf(name: str, path: Path) -> Path:
    """Write the tensors of a small checkpoint as llama.cpp calls them, around a vocabulary that nobody asks."""
    config, unused = CONFIGURATIONS[name], 0 if name == "bert" else 2  # the positions that no token has
    writer = GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"] - unused)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config.get("layer_norm_eps", 1e-12))
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", 4)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([f"t{at}" for at in range(config["vocab_size"])])
    for kind, token_id in (("bos", 1), ("eos", 1), ("seperator", 3), ("unknown", 1)):
        writer.add_uint32(f"tokenizer.ggml.{kind}_token_id", token_id)
    shapes = json.loads(encoder_models.SHAPES.read_text(encoding="utf-8"))[f"{name}/scores"]
    for tensor, values in encoder_models.tensors(shapes).items():
        stem, _, kind = tensor.removeprefix("roberta.").removeprefix("bert.").rpartition(".")
        if stem.startswith("encoder.layer."):
            layer, stem = stem.removeprefix("encoder.layer.").split(".", 1)
            writer.add_tensor(f"blk.{layer}.{GGUF_NAMES[stem]}.{kind}", values)
        else:
            rows = values[unused:] if GGUF_NAMES[stem] == "position_embd" else values
            writer.add_tensor(f"{GGUF_NAMES[stem]}.{kind}", rows)
    for write_part in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write_part()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("recipe", "values", "message"),
    [
        ("bert-cls", {"pooling_type": 4}, r"tensor 'cls\.output\.weight' is missing"),
        ("qwen3-last", {"pooling_type": 4}, r"supported with qwen3 and a tensor cls\.output\.weight"),
        ("llama-both-ways", {"pooling_type": 4}, r"supported with qwen3 and a tensor cls\.output\.weight"),
        ("qwen3-rank", {"classifier__output_labels": ["no", "yes"]}, r"output_labels' is .*no.*; supported: yes, no"),
    ],
)
def test_a_head_that_is_not_followed_is_refused_by_name(
    recipe: str, values: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(tmp_path, recipe, monkeypatch, **values)

    with pytest.raises(ConversionError, match=message):
        check_gguf_encoder(path)


@pytest.mark.parametrize(("recipe", "rows"), [("bert-rank", 3), ("qwen3-rank", 1)])
def test_a_head_with_other_numbers_is_refused(
    recipe: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_matrix = Model.matrix

    def write_rows(model: Model, name: str, *shape: int, **how: Any) -> None:
        write_matrix(model, name, *((rows, *shape[1:]) if name == "cls.output.weight" else shape), **how)

    monkeypatch.setattr(Model, "matrix", write_rows)
    with pytest.raises(ConversionError, match=f"gives {rows} numbers for a pair of texts"):
        check_gguf_encoder(write(recipe, tmp_path))


@pytest.mark.parametrize("question", ["Is it {query}?", "{query} {document} {document}"])
def test_a_question_without_its_two_places_is_refused(
    question: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fixtures.gguf_models.embedders.QUESTION", question)

    with pytest.raises(ConversionError, match=r"chat_template\.rerank' does not say where \{query\} and \{document\}"):
        check_gguf_encoder(write("qwen3-rank", tmp_path))


def test_a_decoder_that_answers_ranks_as_torch_computes_it(tmp_path: Path) -> None:
    source, cache = find_source(str(reranker.write_reranker(tmp_path)), Known()), tmp_path / "cache"
    assert source.stated_task() == RERANK

    found = scored(source.make(Wanted(RERANK), cache), reranker.PAIRS)

    np.testing.assert_allclose(found, TORCH["qwen3/odds"], atol=1e-5)


def test_a_decoder_that_was_made_a_classifier_gives_the_same_scores(tmp_path: Path) -> None:
    folder = reranker.write_reranker(tmp_path)
    reranker.make_classifier(folder)
    source = find_source(str(folder), Known())
    assert source.stated_task() == RERANK

    found = scored(source.make(Wanted(RERANK), tmp_path / "cache"), reranker.PAIRS)

    np.testing.assert_allclose(found, TORCH["qwen3/odds"], atol=1e-5)
    unnamed = folder.rename(tmp_path / "some-classifier")
    with pytest.raises(ConversionError, match="architecture 'qwen3' is not supported"):
        convert_sentence_transformers(unnamed, empty(tmp_path / "target"), task=RERANK)


def test_only_its_name_tells_a_decoder_that_ranks(tmp_path: Path) -> None:
    folder = reranker.write_reranker(tmp_path)
    hub = tmp_path / "models--Qwen--Qwen3-Reranker-0.6B" / "snapshots"
    hub.mkdir(parents=True)

    assert find_source(str(folder.rename(tmp_path / "a-chat-model")), Known()).stated_task() == GENERATE
    fetched = (tmp_path / "a-chat-model").rename(hub / "0123abc")
    assert find_source(str(fetched), Known()).stated_task() == RERANK


def test_a_tokenizer_without_an_answer_is_refused(tmp_path: Path) -> None:
    folder = reranker.write_reranker(tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"yes"', '"ja"'), encoding="utf-8")

    with pytest.raises(ConversionError, match="no tokens 'yes' and 'no'"):
        convert_sentence_transformers(folder, empty(tmp_path / "target"), task=RERANK)


def test_a_control_token_of_the_question_is_text_in_a_text(tmp_path: Path) -> None:
    folder = find_source(str(write("qwen3-rank", tmp_path)), Known()).make(Wanted(RERANK), tmp_path / "cache")
    tokenizer = open_tokenizer(ModelFolder.read(folder))
    end = tokenizer.token_id("<|im_end|>")

    plain, told = (tokenizer.encode_behind(text)(text).tolist() for text in ("a", "<|im_end|>{document}"))

    assert plain.count(end) == told.count(end) == 1
    assert tokenizer.decode(told).count("{document}") == 2  # nor is a place one


def test_a_folder_whose_question_lacks_a_place_is_refused(tmp_path: Path) -> None:
    folder = find_source(str(write("qwen3-rank", tmp_path)), Known()).make(Wanted(RERANK), tmp_path / "cache")
    stated = json.loads((folder / "jan_ort.json").read_text(encoding="utf-8")) | {"pair_template": "{query}"}
    (folder / "jan_ort.json").write_text(json.dumps(stated), encoding="utf-8")

    with pytest.raises(ModelFolderError, match=r"pair_template is '\{query\}'"):
        ModelFolder.read(folder)
