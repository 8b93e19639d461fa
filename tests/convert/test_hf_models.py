"""Each architecture computes what transformers computes of the same small checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.hf_proof import prove
from tests.fixtures.gguf_models.recordings import TOKEN_IDS
from tests.fixtures.hf_models import CONFIGURATIONS


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_unquantised_graph_has_the_logits_of_transformers(name: str, tmp_path: Path) -> None:
    proof = prove(name, "fp16", tmp_path)

    assert proof.kl <= 5e-6
    assert proof.num_best == len(TOKEN_IDS)
    assert proof.chunked


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_8_bits_stay_near_and_give_the_same_bits_in_any_chunks_and_company(name: str, tmp_path: Path) -> None:
    proof = prove(name, "int8", tmp_path)

    assert proof.kl <= 2e-3
    assert proof.chunked
    assert proof.in_company


def test_the_documentation_has_a_line_for_each_checkpoint() -> None:
    document = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    table = document.split("<!-- begin: checkpoints -->\n")[1].split("<!-- end: checkpoints -->")[0]

    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == list(CONFIGURATIONS)
