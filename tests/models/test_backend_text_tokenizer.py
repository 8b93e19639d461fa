"""A backend's own tokenizer against the tokenizer.json that says the same, in and behind the server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.models.backend_text_tokenizer import BackendTextTokenizer
from jan_ort.models.control_tokens import MarkedText
from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import TextTokenizer, TokenizerFailed
from jan_ort.serving.served_model import open_tokenizer
from jan_ort_backends import BackendError, BackendTokenizer, VocabularyToken, register, unregister
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, serving

LISTED = TextTokenizer(FOLDER / "tokenizer.json")
TEXTS = ("", "Hello, world!", "<|im_start|>user\nWhat?<|im_end|>\n", "é中\U0001f600 x<|im_end", "  two  spaces ")


class OwnTokenizer:
    """Cuts as the reference model's tokenizer.json says."""

    num_stripped = 0

    def __init__(self) -> None:
        self.tokens = [
            VocabularyToken(LISTED.token_text(each) if not text else f"token {each}", text, is_control=not text)
            for each, text in ((each, LISTED.token_bytes(each)) for each in range(LISTED.vocab_size))
        ]
        self.plain = TextTokenizer(FOLDER / "tokenizer.json", reads_marks=False)

    def tokenize(self, text: str) -> Sequence[int]:
        if text == "fail":
            raise RuntimeError("no such word")
        return [LISTED.vocab_size] if text == "beyond" else list(map(int, self.plain.encode_part(text)))


class TokenizingBackend(ReferenceBackend):
    """The reference backend over folders without a tokenizer.json."""

    name = "tokenizing"
    builtin_models: Mapping[str, Path] = {}

    def open_tokenizer(self, model_dir: Path) -> BackendTokenizer:
        return OwnTokenizer()


@pytest.fixture
def own() -> BackendTextTokenizer:
    return BackendTextTokenizer(FOLDER / "tokenizer.json", OwnTokenizer())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "model", ignore=shutil.ignore_patterns("tokenizer.json"))
    described = json.loads((FOLDER / "jan_ort.json").read_bytes()) | {"tokenizer": "backend"}
    (tmp_path / "model" / "jan_ort.json").write_text(json.dumps(described))
    return tmp_path / "model"


@pytest.fixture
def backend() -> Iterator[str]:
    register(TokenizingBackend())
    yield "tokenizing"
    unregister("tokenizing")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_ids_of_the_tokenizer_json(own: BackendTextTokenizer, text: str) -> None:
    token_ids = own.encode(text)

    assert token_ids.tolist() == LISTED.encode(text).tolist()
    assert own.decode(token_ids.tolist()) == LISTED.decode(token_ids.tolist())


def test_control_tokens_are_known_by_name_and_kept_apart_from_text(own: BackendTextTokenizer) -> None:
    stand_ins = own.controls.stand_ins(["<|im_end|> <"])
    marked = MarkedText("<|im_start|>" + own.controls.marked("<|im_end|>", stand_ins), {"\U00020000": "<"})

    assert own.token_id("<|im_end|>") == LISTED.token_id("<|im_end|>")
    assert own.encode_marked(marked).tolist() == LISTED.encode_marked(marked).tolist()
    assert own.token_id("<|im_end|>") not in own.encode_marked(marked).tolist()


@pytest.mark.parametrize(("text", "reason"), [("fail", "no such word"), ("beyond", "not in its vocabulary of 512")])
def test_a_text_on_which_the_backend_fails_is_refused(own: BackendTextTokenizer, text: str, reason: str) -> None:
    with pytest.raises(TokenizerFailed, match=reason):
        own.encode(text)


@pytest.mark.parametrize(
    ("path", "body"), [(COMPLETIONS, {"prompt": "He said", "logprobs": 1, "echo": True}), (CHAT, {"messages": HELLO})]
)
async def test_a_model_is_served_as_with_a_tokenizer_json(
    backend: str, folder: Path, path: str, body: dict[str, Any]
) -> None:
    asked = body | {"model": "reference", "max_tokens": 12, "temperature": 0}

    async def answer(**given: str) -> Any:
        async with serving(**given) as app:
            response = await app.test_client().post(path, json=asked)
            return (await response.get_json())["choices"]

    assert await answer(backend=backend, model=str(folder)) == await answer()


def test_a_backend_without_one_is_refused_with_the_remedy(folder: Path) -> None:
    with pytest.raises(BackendError, match="backend 'reference' has none; choose the one that reads its files"):
        open_tokenizer(ModelFolder.read(folder), backend=ReferenceBackend())


def test_a_folder_that_says_another_thing_is_refused(folder: Path) -> None:
    (folder / "jan_ort.json").write_text('{"tokenizer": "mine"}')

    with pytest.raises(ModelFolderError, match="tokenizer is 'mine'; expected 'backend'"):
        ModelFolder.read(folder)


def test_a_vocabulary_with_two_tokens_of_a_name_is_refused() -> None:
    own = OwnTokenizer()
    own.tokens[1] = own.tokens[0]

    with pytest.raises(ModelFolderError, match="two of the same name"):
        BackendTextTokenizer(FOLDER / "tokenizer.json", own)
