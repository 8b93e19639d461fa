"""Providers that others release, as they really are: `tox -e providers` installs those that run without a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from jan_ort.convert.weights.schemes import Weights
from jan_ort_backends import ModelError, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.providers.flavours import installed_flavours, provider_packages
from jan_ort_onnxruntime.providers.provider_devices import look_around
from jan_ort_onnxruntime.providers.provider_diagnosis import diagnose
from tests.backends.onnxruntime.weight_folders import tiny_llama

GGML, OPENVINO, QNN, WEBGPU = "onnxruntime-ggml", "onnxruntime-ep-openvino", "onnxruntime-qnn", "onnxruntime-ep-webgpu"


@pytest.fixture(autouse=True)
def only_ours() -> None:
    """What this machine has is what these tests are about."""


def needs(distribution: str) -> pytest.MarkDecorator:
    is_there = importlib.util.find_spec(distribution.replace("-", "_")) is not None
    return pytest.mark.skipif(not is_there, reason=f"needs {distribution}: tox -e providers")


def opened(folder: Path, provider: str) -> Session:
    options = OpenOptions(num_slots=2, context_length=32, extra={"provider": provider})
    return OnnxRuntimeBackend().open(folder, options)


def logits(session: Session) -> np.ndarray:
    """The logits of a beginning, of another sequence's, and of a token after each at once."""
    rows = [
        session.step([SlotTokens(0, np.array([5, 9, 12]), 3)]).logits.copy(),
        session.step([SlotTokens(1, np.array([8, 3]), 2)]).logits.copy(),
        session.step([SlotTokens(0, np.array([7]), 1), SlotTokens(1, np.array([4]), 1)]).logits.copy(),
    ]
    session.close()
    return np.concatenate(rows)


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        pytest.param(distribution, name, marks=needs(distribution))
        for distribution, name in ((GGML, "ggml"), (OPENVINO, "openvino"), (QNN, "qnn"))
    ],
)
def test_a_plugin_s_devices_are_found_again_and_again_and_never_taken_for_built_in(
    distribution: str, name: str
) -> None:
    machines = [look_around(ort) for _ in range(2)]

    for machine in machines:
        assert name in {candidate.provider.name for candidate in machine.candidates if candidate.devices}
        assert distribution not in machine.missing
    assert list(installed_flavours()) == ["onnxruntime"]
    assert set(provider_packages()) >= {distribution}


@pytest.mark.parametrize(
    "name", [pytest.param("ggml", marks=needs(GGML)), pytest.param("openvino", marks=needs(OPENVINO))]
)
def test_the_doctor_s_graph_runs_on_a_plugin(name: str) -> None:
    (truth,) = (truth for truth in diagnose() if truth.name == name)

    assert (truth.registered, truth.usable, truth.detail) == (True, True, "ran a graph of one node")


@needs(WEBGPU)
def test_a_library_that_offers_no_device_says_so() -> None:
    machine = look_around(ort)

    assert "webgpu" in {candidate.provider.name for candidate in machine.candidates} or (
        machine.missing[WEBGPU] == "its library is registered and offers no device here (WebGpuExecutionProvider)"
    )


@needs(GGML)
def test_a_provider_that_takes_no_node_of_our_graph_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"^ggml takes none of the \d+ nodes of .*model\.onnx"):
        opened(tiny_llama("int8"), "ggml")


@needs(QNN)
def test_a_driver_s_failure_is_not_blamed_on_the_model() -> None:
    with pytest.raises(
        ModelError, match=r"^QNNExecutionProvider cannot open .*model\.onnx: .*update its driver"
    ) as told:
        opened(tiny_llama("int8"), "qnn")

    assert "download the model again" not in str(told.value)


@needs(OPENVINO)
@pytest.mark.parametrize("weights", ["int8", "int4", "fp16", "int4-fp16"])
def test_openvino_computes_what_the_cpu_does(weights: Weights) -> None:
    folder = tiny_llama(weights)
    session = opened(folder, "openvino")
    nodes, mine = session.info.device.nodes, logits(opened(folder, "cpu"))

    theirs = logits(session)

    assert nodes["OpenVINOExecutionProvider"] > 0.8 * sum(nodes.values())
    assert np.linalg.norm(theirs - mine) < 0.06 * np.linalg.norm(mine - mine.mean(axis=1, keepdims=True))  # bfloat16


@needs(OPENVINO)
def test_the_processor_s_plugin_is_not_taken_by_itself() -> None:
    session = opened(tiny_llama("int8"), "auto")
    session.close()

    assert session.info.device.used == "CPUExecutionProvider"
    assert "OpenVINOExecutionProvider" in session.info.device.registered


@pytest.mark.weights
@needs(OPENVINO)
def test_minilm_runs_wholly_on_openvino(minilm_folder: Path) -> None:
    token_ids = [np.array([101, 7592, 2088, 102])]
    session, beside = opened(minilm_folder, "openvino"), opened(minilm_folder, "cpu")

    assert list(session.info.device.nodes) == ["OpenVINOExecutionProvider"]
    # The library computes in bfloat16 where the processor has it: vectors of length 1 differ by some thousandths.
    assert float((session.embed(token_ids) * beside.embed(token_ids)).sum()) > 0.999
    session.close()
    beside.close()


@pytest.mark.weights
@needs(OPENVINO)
def test_real_weights_pass_the_proof_on_openvino(smollm2_folder: Path) -> None:
    session = opened(smollm2_folder, "openvino")
    session.close()

    assert session.info.device.nodes["OpenVINOExecutionProvider"] > 200
