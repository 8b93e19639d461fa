"""How long a text may be, by what the files of a model folder state."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort_backends.context_length import first_position, stated_context_length

NO_LIMIT = int(1e30)


def stated(*, embeds: bool = False, **files: dict[str, Any]) -> int | None:
    empty: dict[str, dict[str, Any]] = {"config": {}, "genai_model": {}, "sentence_bert": {}, "tokenizer_config": {}}
    return stated_context_length(**(empty | files), embeds=embeds)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"config": {"max_position_embeddings": 8}, "tokenizer_config": {"model_max_length": 4}}, 8),
        ({"config": {"n_positions": 8}, "genai_model": {"context_length": 6}}, 6),
        ({"config": {"n_positions": 8, "text_config": {"n_positions": 7}}}, 7),
        ({"config": {"n_positions": "8"}, "tokenizer_config": {"model_max_length": 5}}, 5),
        ({"tokenizer_config": {"model_max_length": NO_LIMIT}}, None),
    ],
)
def test_a_decoder_has_the_positions_that_its_files_state(files: dict[str, Any], expected: int | None) -> None:
    assert stated(**files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config": {"max_position_embeddings": 512}, "sentence_bert": {"max_seq_length": 256}}, 256),
        ({"config": {"max_position_embeddings": 512}, "sentence_bert": {"max_seq_length": 1024}}, 512),
        ({"config": {"max_position_embeddings": 512}, "tokenizer_config": {"model_max_length": 128}}, 128),
        ({"config": {"max_position_embeddings": 512}, "tokenizer_config": {"model_max_length": NO_LIMIT}}, 512),
        (
            {
                "config": {"max_position_embeddings": 512},
                "sentence_bert": {"max_seq_length": 256},
                "tokenizer_config": {"model_max_length": 128},
            },
            256,
        ),
        ({"config": {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}}, 512),
        ({"config": {"model_type": "mpnet", "max_position_embeddings": 514}}, 512),
        ({"config": {"model_type": "bert", "max_position_embeddings": 514, "pad_token_id": 1}}, 514),
        ({"tokenizer_config": {"model_max_length": 64}}, 64),
    ],
)
def test_an_encoder_takes_no_more_than_its_positions_and_its_tokenizer_leave(
    files: dict[str, Any], expected: int
) -> None:
    assert stated(embeds=True, **files) == expected


def test_the_first_position_is_past_padding_in_some_families_only() -> None:
    configs = [{"model_type": "roberta", "pad_token_id": 1}, {"model_type": "mpnet"}, {"model_type": "bert"}, {}]

    assert [first_position(config) for config in configs] == [2, 2, 0, 0]
