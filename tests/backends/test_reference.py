"""The reference model against a slow, obvious twin, and the files of its folder."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort_backends import Accepts, Declines, ModelError, OpenOptions, SlotTokens
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID, FOLDER, tokenizer_files, write_files
from jan_ort_backends.reference_transformer import HEAD_DIM, NUM_HEADS, Weights, reference_weights


def twin_logits(weights: Weights, token_ids: list[int]) -> NDArray[np.float64]:
    """Run the whole sequence at once with a causal mask and no cache; float64 ``(tokens, vocab_size)``."""

    def norm(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        normalised: NDArray[np.float64] = rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + 1e-6)
        return normalised

    num_tokens = len(token_ids)
    mask = np.triu(np.full((num_tokens, num_tokens), -np.inf), k=1)
    hidden = weights.tokens[token_ids] + weights.positions[:num_tokens]
    for layer in weights.layers:
        query, key, value = np.split(norm(hidden) @ layer.qkv.T, 3, axis=1)
        heads = []
        for head in range(NUM_HEADS):
            part = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
            exponentials = np.exp(query[:, part] @ key[:, part].T / np.sqrt(HEAD_DIM) + mask)
            heads.append(exponentials / exponentials.sum(axis=1, keepdims=True) @ value[:, part])
        hidden = hidden + np.concatenate(heads, axis=1) @ layer.out.T
        hidden = hidden + np.maximum(norm(hidden) @ layer.up.T, 0) @ layer.down.T
    logits: NDArray[np.float64] = norm(hidden) @ weights.head.T + weights.head_bias
    return logits


def greedy(session: ReferenceSession, prompt: str, limit: int = 400) -> list[int]:
    session.truncate(0, 0)
    step = session.step([SlotTokens(0, np.frombuffer(prompt.encode(), np.uint8).astype(np.int64))])
    chosen: list[int] = []
    while len(chosen) < limit and step.logits[0].argmax() != EOS_TOKEN_ID:
        chosen.append(int(step.logits[0].argmax()))
        step = session.step([SlotTokens(0, np.array(chosen[-1:]))])
    return chosen


@pytest.fixture
def session() -> ReferenceSession:
    return ReferenceBackend().open(FOLDER, OpenOptions(num_slots=1))


def test_logits_equal_the_uncached_twin(session: ReferenceSession) -> None:
    token_ids = [int(token) for token in np.random.default_rng(3).integers(0, 512, 60)]

    logits = session.step([SlotTokens(0, np.array(token_ids), num_logits=60)]).logits

    np.testing.assert_allclose(logits, twin_logits(reference_weights(), token_ids), rtol=0, atol=1e-5)


def test_the_weights_are_the_same_on_every_platform() -> None:
    weights = reference_weights()
    digest = hashlib.sha256()

    for matrix in (weights.tokens, weights.positions, weights.layers[1].down, weights.head, weights.head_bias):
        digest.update(np.ascontiguousarray(matrix, "<f8").tobytes())

    assert digest.hexdigest() == "445993b83b7c0a241b6e56e0934b50ea5207266feda4001dad6c8970d1893f9d"


def test_greedy_texts_vary_and_most_end_by_themselves(session: ReferenceSession) -> None:
    texts = [greedy(session, prompt) for prompt in ("Hello", "The river", "a", "def f(x):", "1 2 3", "Why?", "x" * 40)]

    lengths = sorted(len(text) for text in texts)

    assert len({tuple(text) for text in texts}) == len(texts)
    assert 10 <= lengths[len(lengths) // 2] <= 100
    assert all(len(set(text)) > 5 for text in texts if len(text) > 15)


def test_the_folder_is_what_the_code_writes(tmp_path: Path) -> None:
    write_files(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.iterdir() if path.name != "chat_template.jinja"
    }


def test_every_token_id_has_its_own_token() -> None:
    document = json.loads(tokenizer_files()["tokenizer.json"])

    assert sorted(document["model"]["vocab"].values()) == list(range(512))


@pytest.mark.parametrize("text", ["Hello, world!", "ünï 日本 \n\t😀", "The question is:  what's next?"])
def test_the_tokenizer_gives_back_what_it_was_given(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))

    token_ids = tokenizer.encode(text).ids

    assert tokenizer.decode(token_ids) == text
    assert len(token_ids) <= len(text.encode())


def test_any_role_and_every_shape_of_content_is_rendered() -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Environment(autoescape=False).from_string((FOLDER / "chat_template.jinja").read_text())
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    messages = [
        {"role": "critic", "content": "one"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None},
    ]

    text = template.render(messages=messages, add_generation_prompt=True)

    assert text == (
        "<|im_start|>critic\none<|im_end|>\n<|im_start|>user\ntwo parts<|im_end|>\n"
        "<|im_start|>assistant\n<|im_end|>\n<|im_start|>assistant\n"
    )


def test_only_its_own_folder_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')

    assert ReferenceBackend().accepts(FOLDER) == Accepts()
    assert isinstance(ReferenceBackend().accepts(tmp_path / "absent"), Declines)
    with pytest.raises(ModelError, match="model_type 'llama'"):
        ReferenceBackend().open(tmp_path, OpenOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (OpenOptions(num_slots=0), "num_slots is 0"),
        (OpenOptions(context_length=513), "context_length 513 is out of range; this model supports 1 to 512"),
        (OpenOptions(extra={"threads": "2"}), "unknown option 'threads'"),
    ],
)
def test_options_outside_the_limits_are_refused(options: OpenOptions, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ReferenceBackend().open(FOLDER, options)
