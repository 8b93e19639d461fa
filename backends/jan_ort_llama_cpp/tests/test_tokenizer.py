"""llama.cpp's own tokenizer, of files that no tokenizer.json is made for."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_llama_cpp.descriptor import LlamaCppBackend
from jan_ort_llama_cpp.tokenizer import open_tokenizer as open_own

from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.serving.served_model import open_tokenizer
from jan_ort_backends import ModelError
from tests.backends.onnxruntime import tiny_llama
from tests.http.handlers.serving import complete, serving

from .conftest import kept

TEXTS = ("", "hello", "é中\U0001f600 \x00 he<bos> he", " two  spaces\n")


@pytest.fixture
def unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the tiny llama with RWKV's kind of vocabulary, which is the bytes and one word."""

    def add_tokenizer(writer: gguf.GGUFWriter) -> None:
        size = tiny_llama.VOCAB_SIZE
        words = [*(f"\\x{byte:02x}" for byte in range(1, 256)), "he"]
        unused = [f"unused{index}" for index in range(size - len(words) - 2)]
        writer.add_tokenizer_model("rwkv")
        writer.add_token_list(["<bos>", *words, *unused, "<eos>"])
        writer.add_token_types([3, *[1] * (size - 2), 3])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(size - 1)

    monkeypatch.setattr(tiny_llama, "_add_tokenizer", add_tokenizer)
    return tiny_llama.write_tiny_llama(tmp_path / "unread.gguf")


@pytest.mark.parametrize("text", TEXTS)
def test_a_vocabulary_that_we_read_too_is_cut_alike(tiny_folder: Path, tiny_gguf: Path, text: str) -> None:
    ours, own = TextTokenizer(tiny_folder / "tokenizer.json", reads_marks=False), open_own(tiny_gguf)

    token_ids = list(own.tokenize(text))

    assert token_ids == ours.encode_part(text).tolist()
    assert b"".join(own.tokens[each].text for each in token_ids) == text.encode()
    assert [each.text for each in own.tokens] == [ours.token_bytes(each) for each in range(ours.vocab_size)]


def test_a_text_becomes_the_longest_words_of_a_vocabulary_that_we_do_not_read(unread: Path, tmp_path: Path) -> None:
    folder = ModelFolder.read(kept(unread, tmp_path / "cache"))

    tokenizer = open_tokenizer(folder, backend=LlamaCppBackend())

    assert folder.backend_tokenizes
    assert tokenizer.encode_part("hehe <eos>").tolist() == [256, 256, ord(" "), tiny_llama.VOCAB_SIZE - 1]
    assert tokenizer.decode(tokenizer.encode("h\u00e9he").tolist()) == "h\u00e9he"


async def test_such_a_file_is_served(unread: Path, tmp_path: Path) -> None:
    async with serving(backend="llama_cpp", model=str(unread), weights="as-is", cache_dir=tmp_path) as app:
        answer = await complete(app.test_client(), prompt="hehe", max_tokens=4, echo=True)

    assert answer["usage"]["prompt_tokens"] == 2
    assert answer["choices"][0]["text"].startswith("hehe")


def test_a_file_that_llama_cpp_does_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\x03" * 64)

    with pytest.raises(ModelError, match=r"broken\.gguf has no vocabulary that llama\.cpp reads"):
        open_own(tmp_path / "broken.gguf")
