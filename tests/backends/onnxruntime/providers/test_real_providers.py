"""Providers that others release, as they really are, on whatever of them is installed.

`tox -e providers` installs plugins that run without a GPU, `providers-openvino` and `providers-webgpu` the flavours of
that name, `providers-webgpu-plugin` the plugin; WebGPU's two run on a driver in software, which is no GPU.
"""

from __future__ import annotations

import asyncio
import os
import re
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from jan_ort.convert.gguf_folder import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from jan_ort_backends import ModelError, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.providers import proven_opening
from jan_ort_onnxruntime.providers.flavours import installed_flavours, provider_packages
from jan_ort_onnxruntime.providers.provider_devices import look_around
from jan_ort_onnxruntime.providers.provider_diagnosis import diagnose
from tests.backends.onnxruntime.layout_folders import write_folder
from tests.backends.onnxruntime.weight_folders import tiny_llama
from tests.fixtures.gguf_models import write
from tests.http.handlers.serving import complete, serving
from tests.serving.several import listed

GGML, OPENVINO, QNN, WEBGPU = "onnxruntime-ggml", "onnxruntime-ep-openvino", "onnxruntime-qnn", "onnxruntime-ep-webgpu"
TENSORRT = "onnxruntime-ep-nv-tensorrt-rtx-cu13"

INTEL = "GenuineIntel" in (Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else "GenuineIntel")

HERE = {candidate.provider.name for candidate in look_around(ort).candidates}


@pytest.fixture(autouse=True)
def only_ours() -> None:
    """What this machine has is what these tests are about."""


def needs(distribution: str) -> pytest.MarkDecorator:
    is_there = any(metadata.distributions(name=distribution))
    return pytest.mark.skipif(not is_there, reason=f"needs {distribution}: tox -e providers")


def on(*names: str) -> list[object]:
    """Return the providers' names as parameters, those that are not installed to be skipped."""
    reason = "is not here: tox -e providers, providers-openvino, providers-webgpu, providers-webgpu-plugin"
    return [pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason=f"{name} {reason}")) for name in names]


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

    if name == "openvino" and "offers no device here" in machines[0].missing.get(distribution, "") and not INTEL:
        pytest.skip(f"{distribution} offers no processor of another maker than Intel")
    for machine in machines:
        assert name in {candidate.provider.name for candidate in machine.candidates if candidate.devices}
        assert distribution not in machine.missing
    assert list(installed_flavours()) == ["onnxruntime"]
    assert set(provider_packages()) >= {distribution}


@pytest.mark.parametrize("name", on("ggml", "openvino", "webgpu"))
def test_the_doctor_s_graph_runs_on_a_provider(name: str) -> None:
    (truth,) = (truth for truth in diagnose() if truth.name == name)

    assert (truth.registered, truth.usable, truth.detail) == (True, True, "ran a graph of one node")


@needs(WEBGPU)
def test_a_library_that_offers_no_device_says_so() -> None:
    machine = look_around(ort)

    assert "webgpu" in {candidate.provider.name for candidate in machine.candidates} or (
        machine.missing[WEBGPU] == "its library is registered and offers no device here (WebGpuExecutionProvider)"
    )


@needs(TENSORRT)
def test_a_package_is_found_that_is_not_called_what_its_distribution_is() -> None:
    machine = look_around(ort)

    assert provider_packages()[TENSORRT] == "onnxruntime_ep_nv_tensorrt_rtx"
    assert "nvtensorrtrtx" in {candidate.provider.name for candidate in machine.candidates} or (
        "libcuda" in machine.missing[TENSORRT]  # its own library was loaded, and found no driver of NVIDIA
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


@pytest.mark.parametrize("weights", ["int8", "int4", "fp16", "int4-fp16"])
@pytest.mark.parametrize("name", on("openvino", "webgpu"))
def test_a_provider_computes_what_the_cpu_does_for_two_sequences_at_once(name: str, weights: Weights) -> None:
    folder = tiny_llama(weights)
    session = opened(folder, name)
    nodes, used, mine = session.info.device.nodes, session.info.device.used, logits(opened(folder, "cpu"))

    theirs = logits(session)

    assert nodes[used] >= 0.8 * sum(nodes.values())
    spreads = np.linalg.norm(mine - mine.mean(axis=1, keepdims=True), axis=1)
    assert (np.linalg.norm(theirs - mine, axis=1) < 0.06 * spreads).all()  # OpenVINO computes in bfloat16


@pytest.mark.parametrize("weights", ["int8", "fp16", "int4-fp16"])
@pytest.mark.parametrize("architecture", ["gemma3", "phi3"])
@pytest.mark.parametrize("name", on("openvino"))
def test_graphs_of_ours_run_on_openvino_that_exporters_write_otherwise(
    name: str, architecture: str, weights: Weights, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    convert_gguf(write(architecture, tmp_path), tmp_path / "model", weights=weights)

    theirs, mine = (logits(opened(tmp_path / "model", each)) for each in (name, "cpu"))

    spreads = np.linalg.norm(mine - mine.mean(axis=1, keepdims=True), axis=1)
    assert (np.linalg.norm(theirs - mine, axis=1) < 0.06 * spreads).all()


@pytest.mark.parametrize("name", on("webgpu"))
def test_webgpu_runs_every_node_of_a_float16_graph_and_is_proven(name: str) -> None:
    options = OpenOptions(num_slots=1, context_length=32, extra={"provider": name, "strict": "1"})

    session = OnnxRuntimeBackend().open(tiny_llama("int4-fp16"), options)
    session.close()

    assert list(session.info.device.nodes) == ["WebGpuExecutionProvider"]


@pytest.mark.parametrize("name", on("ggml", "openvino", "webgpu"))
async def test_one_process_serves_a_model_on_two_providers(name: str, tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "chat")

    async with serving(backend="onnxruntime", model=[f"{folder}@cpu", f"{folder}@{name}"]) as app:
        client = app.test_client()
        models = await listed(client)
        answers = [complete(client, prompt=[5, 9, 12], max_tokens=2, model=model) for model in [*models] * 2]
        texts = [answer["choices"][0]["text"] for answer in await asyncio.gather(*answers)]

    used = {model: each["device"]["used"] for model, each in models.items()}
    assert used["chat@cpu"] == "CPUExecutionProvider" != used[f"chat@{name}"]
    assert texts == texts[:1] * 4


@pytest.mark.skipif("software_gpu" not in os.environ.get("VK_DRIVER_FILES", ""), reason="needs scripts/software_gpu.py")
@pytest.mark.parametrize("name", on("webgpu"))
def test_a_gpu_in_software_is_not_taken_by_itself(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(proven_opening, "FAST_STEP_S", 0.001)  # of so small a model its steps take about 20 ms

    session = opened(tiny_llama("int8"), "auto")
    session.close()

    assert session.info.device.used == "CPUExecutionProvider"
    assert re.match(
        r"a token takes .* s on WebGpuExecutionProvider, and .* s on the CPU", session.info.device.declined[name]
    )


@pytest.mark.parametrize("name", on("openvino"))
def test_what_computes_on_the_processor_is_not_taken_by_itself(name: str) -> None:
    session = opened(tiny_llama("int8"), "auto")
    session.close()

    assert session.info.device.used == "CPUExecutionProvider"
    assert "OpenVINOExecutionProvider" in session.info.device.registered


@pytest.mark.weights
@pytest.mark.parametrize("name", on("openvino", "webgpu"))
def test_minilm_embeds_as_on_the_cpu(name: str, minilm_folder: Path) -> None:
    token_ids = [np.array([101, 7592, 2088, 102])]
    session, beside = opened(minilm_folder, name), opened(minilm_folder, "cpu")
    nodes, used = session.info.device.nodes, session.info.device.used

    # OpenVINO computes in bfloat16 where the processor has it: vectors of length 1 differ by some thousandths.
    assert float((session.embed(token_ids) * beside.embed(token_ids)).sum()) > 0.999
    assert (nodes[used], sum(nodes.values())) == ({"openvino": 56, "webgpu": pytest.approx(45, abs=1)}[name], 56)
    session.close()
    beside.close()


@pytest.mark.weights
@pytest.mark.parametrize("name", on("openvino"))
def test_real_weights_pass_the_proof_on_openvino(name: str, smollm2_folder: Path) -> None:
    session = opened(smollm2_folder, name)
    session.close()

    assert session.info.device.nodes["OpenVINOExecutionProvider"] > 200
