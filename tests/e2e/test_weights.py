"""With the default models the answers mean something."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.e2e.server_process import ServerProcess

pytestmark = pytest.mark.weights


def test_the_capital_of_france_is_paris(weights_by_cli: ServerProcess) -> None:
    answer = weights_by_cli.client(api_key="k3y").chat.completions.create(
        model="any", messages=[{"role": "user", "content": "What is the capital of France?"}], temperature=0
    )

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "smollm2-135m-instruct"


def test_similar_sentences_are_closer_than_others(weights_by_cli: ServerProcess) -> None:
    texts = ["A cat sits on the mat.", "A kitten is resting on a rug.", "The stock market fell sharply today."]

    answer = weights_by_cli.client(api_key="k3y").embeddings.create(model="any", input=texts)

    cat, kitten, market = np.array([entry.embedding for entry in answer.data])
    assert cat @ kitten > 0.4
    assert cat @ market < 0.2
    assert answer.model == "all-minilm-l6-v2"


def test_both_models_are_listed(weights_by_hypercorn: ServerProcess) -> None:
    names = [model.id for model in weights_by_hypercorn.client(api_key="k3y").models.list()]

    assert names == ["smollm2-135m-instruct", "all-minilm-l6-v2"]


def test_eight_streams_at_once_say_what_each_says_alone(weights_by_cli: ServerProcess) -> None:
    client = weights_by_cli.client(api_key="k3y")

    def tell(seed: int) -> str:
        chunks = client.completions.create(
            model="any", prompt=f"Story {seed}:", max_tokens=24, temperature=1, seed=seed, stream=True
        )
        return "".join(chunk.choices[0].text for chunk in chunks)

    alone = [tell(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(tell, range(8)))

    assert together == alone
