"""Folders of every layout answer through the server, by the name of their path alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.backends.onnxruntime.layout_folders import FIXTURES, golden_paths, write_embedding_folder, write_folder
from tests.http.handlers.serving import EMBEDDINGS, complete, post, serving


@pytest.mark.parametrize("layout", ["optimum", "transformers.js", "bare", "merged", "genai", "float16"])
async def test_a_completion_goes_on_as_torch_would(tmp_path: Path, layout: str) -> None:
    folder = write_folder(layout, "llama", tmp_path / "folder")
    path = golden_paths("llama")[1]

    async with serving(backend="onnxruntime", model=str(folder)) as app:
        answer = await complete(app.test_client(), prompt=path.prompt.tolist(), max_tokens=6, logprobs=1)

    logits = path.logits[0].astype(np.float64)
    expected = logits.max() - np.log(np.exp(logits).sum())
    assert answer["usage"]["prompt_tokens"] == len(path.prompt)
    assert answer["choices"][0]["logprobs"]["token_logprobs"][0] == pytest.approx(expected, abs=0.02)


async def test_an_encoder_of_sentence_transformers_embeds(tmp_path: Path) -> None:
    folder = write_embedding_folder(tmp_path / "encoder")
    shutil.copy(FIXTURES / "tokenizer_config.json", folder)
    chat = write_folder("optimum", "llama", tmp_path / "decoder")

    async with serving(backend="onnxruntime", model=str(chat), embedding_model=str(folder)) as app:
        body = {"input": ["Hello", "Hello world"], "model": "encoder"}
        status, answer = await post(app.test_client(), EMBEDDINGS, body)

    assert status == 200, answer
    assert [len(each["embedding"]) for each in answer["data"]] == [32, 32]
