"""Embedding sessions: order, padding, limits; on the reference and on a tiny sentence embedder."""

from pathlib import Path

import numpy as np
import pytest

from jan_ort.convert import convert_sentence_transformers
from jan_ort_backends import BadInput, Capability, ContextOverflow, OpenOptions, Session, check_session
from jan_ort_backends.checks import session_capabilities
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.sessions.embedding_session import MAX_BATCH_TOKENS, _groups
from tests.convert.tiny_bert import HIDDEN, VOCABULARY, write_tiny_bert


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bert")
    (root / "folder").mkdir()
    convert_sentence_transformers(write_tiny_bert(root / "source"), root / "folder")
    return root / "folder"


@pytest.fixture(params=["reference", "onnxruntime"])
def embedder(request: pytest.FixtureRequest) -> Session:
    if request.param == "reference":
        return ReferenceBackend().open(FOLDER, OpenOptions(context_length=10))
    return OnnxRuntimeBackend().open(request.getfixturevalue("bert_folder"), OpenOptions())


def test_vectors_come_in_the_order_of_the_texts_whatever_their_length(embedder: Session) -> None:
    texts = [np.arange(1, 1 + length) for length in (9, 1, 4, 10, 2)]

    vectors = embedder.embed(texts)

    assert vectors.shape == (5, embedder.info.embedding_size)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=0, atol=1e-6)


def test_different_texts_have_different_vectors(embedder: Session) -> None:
    one, other = embedder.embed([np.array([1, 2, 3]), np.array([3, 2, 1])])

    assert np.abs(one - other).max() > 1e-3


def test_no_texts_give_no_vectors(embedder: Session) -> None:
    assert embedder.embed([]).shape == (0, embedder.info.embedding_size)


@pytest.mark.parametrize("token_ids", [[], [-1], [600]])
def test_token_ids_outside_the_vocabulary_are_refused(embedder: Session, token_ids: list[int]) -> None:
    with pytest.raises(BadInput, match="token_ids"):
        embedder.embed([np.array([1]), np.array(token_ids, np.int64)])


def test_a_text_that_is_too_long_is_refused_with_its_index(embedder: Session) -> None:
    with pytest.raises(ContextOverflow) as caught:
        embedder.embed([np.array([1]), np.ones(11, np.int64)])

    assert (caught.value.slot, caught.value.num_tokens, caught.value.context_length) == (1, 11, 10)


def test_an_embedding_session_only_embeds(bert_folder: Path) -> None:
    backend = OnnxRuntimeBackend()
    session = backend.open(bert_folder, OpenOptions())

    check_session(backend, session)

    assert session_capabilities(backend, session) == {Capability.EMBED}
    assert (session.info.vocab_size, session.info.embedding_size, session.info.num_slots) == (0, HIDDEN, 0)
    assert VOCABULARY <= 600
    session.close()
    session.close()


def test_runs_hold_texts_of_like_length_and_few_padded_tokens() -> None:
    lengths = [200, 10, 300, 12, 600, 11, 250]

    groups = list(_groups(lengths))

    assert groups == [[1, 5, 3], [0, 6], [2], [4]]
    assert all(len(group) == 1 or len(group) * max(lengths[i] for i in group) <= MAX_BATCH_TOKENS for group in groups)
