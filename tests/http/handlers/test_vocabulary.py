"""A tokenizer and a model that do not fit one another: what works is served, and the rest is said."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jan_ort.http.api_error import ApiError
from jan_ort.http.reading.prompts import check_known
from jan_ort.serving.generative import GenerativeModel
from tests.http.handlers.serving import complete, loaded_models, serving
from tests.serving.several import copied


@pytest.mark.parametrize("param", ["prompt", "messages"])
async def test_a_prompt_with_a_token_that_the_model_lacks_is_refused(param: str) -> None:
    async with serving() as app:
        model = loaded_models(app)[0]
        assert isinstance(model, GenerativeModel)
        smaller = replace(model, vocab_size=300)

        with pytest.raises(ApiError, match="is token 300 of tokenizer") as refused:
            check_known(smaller, [np.array([1, 300])], param)
        check_known(smaller, [np.array([1, 299])], param)

    assert (refused.value.status, refused.value.param) == (400, param)


async def test_the_sampling_that_a_models_files_recommend_is_told(tmp_path: Path) -> None:
    folder = Path(copied(tmp_path, "ada"))
    stated = json.loads((folder / "generation_config.json").read_bytes()) | {"temperature": 0.3, "top_k": 7}
    (folder / "generation_config.json").write_text(json.dumps(stated))

    async with serving(model=str(folder)) as app:
        listed = await (await app.test_client().get("/v1/models")).get_json()

    assert listed["data"][0]["metadata"]["recommended"] == {"temperature": 0.3, "top_k": 7}


async def test_a_model_without_an_end_of_text_token_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(copied(tmp_path, "ada"))
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        stated = json.loads((folder / name).read_bytes())
        (folder / name).write_text(json.dumps({key: value for key, value in stated.items() if "eos" not in key}))

    with caplog.at_level(logging.WARNING, "jan_ort.serving.generative"):
        async with serving(model=str(folder)) as app:
            answer = await complete(app.test_client(), max_tokens=3)

    assert "ada names no end-of-text token" in caplog.text
    assert answer["choices"][0]["finish_reason"] == "length"
