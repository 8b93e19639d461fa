"""Which operators each provider has kernels for."""

from __future__ import annotations

import runpy
import sys

import pytest

from jan_ort.cli.doctor.devices.what_is_needed import NEEDS, WINDOWS
from jan_ort_onnxruntime.graphs.operator_needs import OperatorNeed
from jan_ort_onnxruntime.providers import provider_table
from jan_ort_onnxruntime.providers.absent_provider import why_absent
from jan_ort_onnxruntime.providers.flavours import probe_flavours
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


def test_commands_are_such_as_every_shell_takes() -> None:
    """For cmd a single quote is a letter, and ">" within two a redirection; PowerShell 5 has no "&&"."""
    told = [text for each in BUILT_IN for text in (each.install, each.repair)]
    told += [needs.package for needs in NEEDS if needs.system == WINDOWS]
    told += [probe_flavours({"onnxruntime": "1.20.1"}).remedy]  # type: ignore[union-attr]
    told += [why_absent(name, ())[1] for name in ("cuda", "dml", "qnn", "vitisai")]

    assert [text for text in told if " '" in text or "&&" in text] == []


@pytest.mark.parametrize(("system", "flavour"), [("win32", "onnxruntime-windowsml"), ("linux", "onnxruntime")])
def test_cuda_takes_the_place_of_the_flavour_that_came_with_us(
    monkeypatch: pytest.MonkeyPatch, system: str, flavour: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)

    table = runpy.run_path(provider_table.__file__, run_name=provider_table.__name__)

    assert table["CUDA"].install.startswith(f"pip uninstall -y {flavour}, then ")
