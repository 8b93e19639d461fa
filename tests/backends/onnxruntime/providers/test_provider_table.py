"""Which operators each provider has kernels for."""

from __future__ import annotations

import pytest

from jan_ort_onnxruntime.graphs.operator_needs import OperatorNeed
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, why_not


@pytest.mark.parametrize(
    ("need", "lacking"),
    [
        (OperatorNeed("GroupQueryAttention", "float32"), ["cuda"]),
        (OperatorNeed("GroupQueryAttention", "float16"), []),
        (OperatorNeed("MatMulNBits", "float32", 8), ["dml"]),
        (OperatorNeed("MatMulNBits", "float16", 4), []),
        (OperatorNeed("GatherBlockQuantized", "float16", 4), ["dml"]),
        (OperatorNeed("GroupQueryAttention", ""), []),
        (OperatorNeed("GroupQueryAttention", "float16", 0, ("packed query, key and value",)), ["dml"]),
        (OperatorNeed("GroupQueryAttention", "float16", 0, ("rotary embedding inside",)), ["dml"]),
        (OperatorNeed("MatMulNBits", "float16", 4, ("bias",)), ["dml"]),
        (OperatorNeed("RotaryEmbedding", "bfloat16"), ["dml"]),
    ],
)
def test_a_graph_is_declined_by_the_providers_without_its_kernels(need: OperatorNeed, lacking: list[str]) -> None:
    reasons = {provider.name: why_not([need], provider) for provider in BUILT_IN}

    assert [name for name, reason in reasons.items() if reason] == lacking
    for name in lacking:
        assert need.op_type in str(reasons[name])
        assert "jan-ort models convert FILE.gguf --weights int4-fp16" in str(reasons[name])


@pytest.mark.parametrize("forms", [("sliding window",), ("soft cap",), ("rotary embedding inside", "sliding window")])
def test_a_conversion_is_no_remedy_for_what_the_model_itself_needs(forms: tuple[str, ...]) -> None:
    reasons = {
        each.name: why_not([OperatorNeed("GroupQueryAttention", "float16", 0, forms)], each) for each in BUILT_IN
    }

    assert [name for name, reason in reasons.items() if reason] == ["dml"]
    assert f"no conversion changes the model's {forms[-1]}: choose another provider" in str(reasons["dml"])
    assert "jan-ort models convert" not in str(reasons["dml"])
