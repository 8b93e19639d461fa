"""Merges by score give the pieces that SentencePiece's own rule does, and odd vocabularies are refused by name."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.tokenizers.sentencepiece import merges_by_score
from jan_ort.ground.model_errors import ConversionError
from jan_ort.models.tokenizer import TextTokenizer
from tests.convert.tiny_llama import TinyLlama
from tests.convert.tokenizers.recorded import FOLDER, texts, with_keys

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def slow_pieces(text: str, scores: dict[str, float]) -> list[str]:
    """SentencePiece's rule: of all neighbours whose text is a piece, join the best, and of equals the first."""
    pieces = list(text)
    while True:
        pairs = [(-scores[a + b], at) for at, (a, b) in enumerate(pairwise(pieces)) if a + b in scores]
        if not pairs:
            return pieces
        _, at = min(pairs)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


def trained(rng: random.Random, letters: str) -> dict[str, float]:
    """Join random neighbours again and again, as training does: each new piece has a worse score."""
    scores, pieces = dict.fromkeys(letters, -100.0), list(letters)
    for rank in range(rng.randint(3, 25)):
        piece = rng.choice(pieces) + rng.choice(pieces)
        if piece not in scores and len(piece) < 9:
            scores[piece] = -float(rank)
            pieces.append(piece)
    return scores


@pytest.mark.parametrize("letters", ["▁", "ab", "▁ab", "abcd"])
def test_merges_by_score_give_the_pieces_of_sentencepiece(letters: str) -> None:
    rng = random.Random(letters)
    differing = []

    for _ in range(150):
        scores = trained(rng, letters)
        ids = {piece: at for at, piece in enumerate(scores)}
        merges = merges_by_score(ids, list(scores.values()), [1] * len(scores))
        tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges))
        text = "".join(rng.choices(letters, k=40))
        if tokenizer.encode(text).tokens != slow_pieces(text, scores):
            differing.append((text, scores))

    assert differing == []


def test_a_run_grows_from_the_left_where_scores_are_equal() -> None:
    """As the spaces of Llama 2 do, all of which have one score."""
    scores = {"▁" * size: -1e9 for size in range(1, 17)}
    ids = {piece: at for at, piece in enumerate(scores)}

    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges_by_score(ids, list(scores.values()), [1] * len(ids))))

    assert [len(token) for token in tokenizer.encode("▁" * 39).tokens] == [16, 16, 7]


@pytest.mark.parametrize("name", ["sentencepiece", "characters"])
def test_the_bytes_of_the_tokens_are_the_text(name: str, tmp_path: Path) -> None:
    path = with_keys(FOLDER / f"{name}.gguf", tmp_path / "changed.gguf", {"tokenizer.ggml.add_bos_token": False})
    GgufTokenizer(GgufFile(path)).build().save(str(tmp_path / "tokenizer.json"))
    tokenizer = TextTokenizer(tmp_path / "tokenizer.json")
    plain = [text for text in texts() if "<" not in text and "▁" not in text]

    assert [text for text in plain if tokenizer.decode(tokenizer.encode(text).tolist()) != text] == []


def test_gemma_4_s_texts_begin_with_bos_whatever_the_file_says(tmp_path: Path) -> None:
    path = with_keys(FOLDER / "characters.gguf", tmp_path / "changed.gguf", {"tokenizer.ggml.add_bos_token": False})

    tokenizer = GgufTokenizer(GgufFile(path))

    assert tokenizer.vocabulary.special.add_bos
    assert tokenizer.build().encode("").ids == [tokenizer.vocabulary.special.bos]


def convert(folder: Path, **keys: Any) -> GgufTokenizer:
    pieces = ["<unk>", "<s>", "</s>", *BYTES, "▁", "a", "b", "ab", ""]
    types = [2, 3, 3, *[6] * 256, 1, 1, 1, 1, 1]
    scored = {"model": "llama", "tokens": pieces, "token_type": types, "scores": [0.0] * len(pieces), "merges": None}
    metadata = {f"tokenizer.ggml.{key}": value for key, value in (scored | keys).items()}
    return GgufTokenizer(GgufFile(TinyLlama(metadata=metadata).write(folder / "tiny.gguf")))


def test_what_the_file_does_not_say_is_as_in_llama_2(tmp_path: Path) -> None:
    tokenizer = convert(tmp_path, bos_token_id=None, eos_token_id=None, pre=None, token_type=None)

    assert tokenizer.build().encode("ab").tokens == ["<s>", "▁", "ab"]
    assert tokenizer.vocabulary.tokens[-1] == "[EMPTY_263]"
    assert json.loads(json.dumps(tokenizer.vocabulary.to_json(8)))["eos_token"] == "</s>"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"scores": None}, "'tokenizer.ggml.scores' is missing"),
        ({"scores": [0.0]}, "tokens without a score"),
        ({"scores": [float("nan")] * 264}, "finite numbers is needed"),
        ({"token_type": [1]}, "tokens without a type"),
        ({"tokens": ["<unk>", "<s>", "</s>", "x" * 20_000], "token_type": [1] * 4, "scores": [0.0] * 4}, "longer than"),
    ],
)
def test_a_damaged_vocabulary_is_refused(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=message):
        convert(tmp_path, **keys).build()
