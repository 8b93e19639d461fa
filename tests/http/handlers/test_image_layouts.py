"""A chat with images becomes the prompt that transformers' own processor makes of it, for each kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.http.reading.conversation import encode_conversation
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateChatCompletionRequest
from tests.backends.onnxruntime.test_image_models import FIXTURES, GOLDEN, MODELS, picture, vector_id
from tests.fixtures.image_ggufs import KINDS as GGUFS
from tests.fixtures.image_ggufs import write
from tests.http.handlers.serving import loaded_models, serving
from tests.images.pictures import data_url, encoded

TURNS: list[list[str | int]] = [[1, "What is this?"], ["A tree."], ["And ", 2]]


def content_of(turn: list[str | int], detail: str) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": data_url(encoded(picture(part))), "detail": detail}}
        for part in turn
    ]


@pytest.mark.parametrize("name", MODELS)
async def test_a_chats_prompt_is_that_of_transformers(name: str) -> None:
    await _check_prompt(FIXTURES / name, name)


@pytest.mark.parametrize("name", GGUFS)
async def test_the_prompt_of_a_gguf_model_with_the_mmproj_file_beside_it_is_the_same(name: str, tmp_path: Path) -> None:
    model, _ = write(name, tmp_path)

    await _check_prompt(model, name, cache_dir=tmp_path / "cache")


async def _check_prompt(path: Path, name: str, **settings: Any) -> None:
    golden = GOLDEN[name]["turns"]
    contents = [content_of(turn, golden.get("detail", "auto")) for turn in TURNS]
    roles = ["user", "assistant", "user"]
    body = {"messages": [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]}

    async with serving(backend="onnxruntime", model=str(path), context_length=512, **settings) as app:
        model = loaded_models(app)[0]
        assert isinstance(model, GenerativeModel)
        prompt = await encode_conversation(model, CreateChatCompletionRequest.model_validate(body))

    assert np.where(prompt.token_ids < 0, vector_id(name), prompt.token_ids).tolist() == golden["prompt"]
