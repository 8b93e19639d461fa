"""--speculate: counted where it is used, and refused by name for a model that cannot take a draft back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jan_ort.engine.speculation.ngram import NgramDrafter
from jan_ort.serving.drafting import open_drafter
from jan_ort.settings.schema import Settings, SettingsError
from jan_ort_backends import DeviceReport, ModelError, SessionInfo
from tests.engine.speculation.drafting import always_worth_it
from tests.http.handlers.serving import COMPLETIONS, serving

INFO = SessionInfo(8, 8, 1, 0, DeviceReport("cpu", "cpu"), "weights")
ASKED = {
    "prompt": "The river runs. " * 6,
    "max_tokens": 60,
    "seed": 1,
    "repeat_penalty": 1.0,
    "logit_bias": {"65": 60},
}


async def answered(**given: object) -> tuple[str, str]:
    """Return the text of an answer, and what is scraped after it."""
    async with serving(**given) as app:
        client = app.test_client()
        answer = await (await client.post(COMPLETIONS, json=ASKED)).get_json()
        return answer["choices"][0]["text"], await (await client.get("/metrics")).get_data(as_text=True)


def counted(scraped: str, name: str) -> float:
    return float(scraped.split(f'vllm:spec_decode_num_{name}_total{{model_name="reference"}} ')[1].split()[0])


async def test_drafts_are_counted_and_change_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    always_worth_it(monkeypatch)
    plain, without = await answered()
    drafted, scraped = await answered(speculate="ngram")

    assert drafted == plain
    assert counted(without, "drafts") == counted(without, "draft_tokens") == 0
    assert 0 < counted(scraped, "accepted_tokens") <= counted(scraped, "draft_tokens")
    assert counted(scraped, "drafts") <= counted(scraped, "draft_tokens")
    assert 'tokens_per_pos_total{model_name="reference",position="0"}' in scraped


def test_nothing_is_guessed_unasked() -> None:
    assert open_drafter("m", INFO, Settings.read()) is None
    assert isinstance(open_drafter("m", INFO, Settings.read(speculate="ngram")), NgramDrafter)


@pytest.mark.parametrize("num_checkpoints", [0, 4])
def test_a_model_with_a_state_is_refused_by_name(num_checkpoints: int) -> None:
    info = replace(INFO, num_checkpoints=num_checkpoints)

    with pytest.raises(ModelError, match=r"--speculate ngram .* and mamba keeps a state .* --speculate off"):
        open_drafter("mamba", info, Settings.read(speculate="ngram"))
    assert open_drafter("mamba", info, Settings.read()) is None


def test_another_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="'off' or 'ngram'"):
        Settings.read(speculate="always")
