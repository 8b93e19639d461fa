"""Which execution provider a graph is opened on, on machines that are not here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph

from jan_ort.convert.weights.schemes import Weights
from jan_ort_backends import DeviceReport, ModelError, OpenOptions, Session
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers import proven_opening
from jan_ort_onnxruntime.providers.proven_opening import open_proven
from jan_ort_onnxruntime.session_settings import SessionSettings
from tests.backends.onnxruntime.providers.fake_onnxruntime import CPU, CUDA, DML, NUM_NODES, FakeRuntime, ep_device
from tests.backends.onnxruntime.providers.opened import Opened, opened
from tests.backends.onnxruntime.weight_folders import tiny_llama

QNN, VINO = "QNNExecutionProvider", "OpenVINOExecutionProvider"


@pytest.mark.parametrize(
    ("available", "devices", "used"),
    [
        ([CPU], [], CPU),
        ([CUDA, CPU], [], CUDA),
        ([DML, CPU], [], DML),
        ([CUDA, DML, CPU], [], CUDA),
        ([CUDA, CPU], [ep_device(QNN, "NPU")], QNN),
        ([CPU], [ep_device(VINO, "CPU")], CPU),
        ([CPU], [ep_device(VINO, "CPU"), ep_device(VINO, "GPU")], VINO),
        ([CPU], [ep_device(CUDA, "GPU")], CUDA),
        ([VINO, CPU], [], CPU),
        (["WebGpuExecutionProvider", CPU], [], "WebGpuExecutionProvider"),
    ],
)
def test_the_first_provider_of_the_order_is_taken(
    available: list[str], devices: list[Any], used: str, graph: Path, request: pytest.FixtureRequest
) -> None:
    if devices:
        request.getfixturevalue("sound")
    device = opened(FakeRuntime(available, brings={"sound": devices}), graph)

    assert (device.requested, device.used, device.declined) == ("auto", used, {})
    assert device.nodes == {used: NUM_NODES}
    assert set(available) <= set(device.registered)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("name", "used"), [("cpu", CPU), ("dml", DML), ("qnn", QNN), ("openvino", VINO)])
def test_a_provider_that_is_asked_for_is_taken(name: str, used: str, graph: Path) -> None:
    runtime = FakeRuntime([CUDA, DML, CPU], brings={"sound": [ep_device(QNN, "NPU"), ep_device(VINO, "CPU")]})

    assert opened(runtime, graph, name).used == used


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("cuda", 'pip install "onnxruntime-gpu'), ("dml", "onnxruntime-windowsml"), ("tpu", "auto, cpu")],
)
def test_a_provider_that_is_not_there_is_refused_with_the_remedy(name: str, remedy: str, graph: Path) -> None:
    with pytest.raises(ModelError, match=f"option provider is '{name}'") as caught:
        opened(FakeRuntime(), graph, name)

    assert remedy in str(caught.value)


def test_a_provider_that_onnxruntime_drops_silently_is_noticed(graph: Path) -> None:
    runtime = FakeRuntime([CUDA, CPU], left_out=[CUDA])

    device = opened(runtime, graph)

    assert device.used == CPU
    assert "onnxruntime left it out" in device.declined["cuda"]
    with pytest.raises(ModelError, match="see whether nvidia-smi shows a GPU"):
        opened(runtime, graph, "cuda")


def test_what_fails_is_told_by_who_is_to_blame(graph: Path) -> None:
    runtime = FakeRuntime([CUDA, CPU], failing={CUDA: RuntimeError("libcudart.so: no such file")})

    with pytest.raises(ModelError, match=f"^{CUDA} cannot open .*libcudart.*nvidia-smi") as caught:
        opened(runtime, graph, "cuda")
    assert "download the model again" not in str(caught.value)

    runtime.failing = {CUDA: InvalidGraph("no Opset registered")}
    with pytest.raises(ModelError, match="convert or download the model again"):
        opened(runtime, graph, "cuda")


class Slow(Opened):
    """A session of a GPU in software."""

    def step(self, batch: Any) -> Any:
        time.sleep(0.2)
        return super().step(batch)


@pytest.mark.parametrize(("name", "used"), [("auto", CPU), ("cuda", CUDA)])
def test_a_provider_that_is_slower_than_the_cpu_is_taken_only_by_name(
    name: str, used: str, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proven_opening, "FAST_STEP_S", 0.1)

    def build(_: Any, device: DeviceReport) -> Session:
        return Slow(device) if device.used == CUDA else Opened(device)

    session = open_proven(
        OnnxFile.read(graph), SessionSettings(1, provider=name), build, runtime=FakeRuntime([CUDA, CPU])
    )

    assert isinstance(session, Opened)
    assert session.device.used == used
    assert all("s on the CPU" in reason for reason in session.device.declined.values())


def test_strict_fails_where_the_first_choice_fails(graph: Path) -> None:
    runtime = FakeRuntime([DML, CPU], failing={DML: RuntimeError("no adapter")})

    assert "no adapter" in opened(runtime, graph).declined["dml"]
    with pytest.raises(ModelError, match="no adapter"):
        opened(runtime, graph, strict=True)


def test_nodes_that_run_elsewhere_are_counted_and_fail_a_strict_start(graph: Path) -> None:
    runtime = FakeRuntime([CUDA, CPU], on_provider={CUDA: 8})

    assert opened(runtime, graph, "cuda").nodes == {CUDA: 8, CPU: 2}
    with pytest.raises(ModelError, match=f"2 of 10 nodes do not run on {CUDA}"):
        opened(runtime, graph, "cuda", strict=True)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_provider_that_takes_no_node_is_not_said_to_be_used(name: str, graph: Path) -> None:
    runtime = FakeRuntime([CUDA, CPU], on_provider={CUDA: 0})

    if name == "auto":
        assert "takes none of the 10 nodes" in opened(runtime, graph).declined["cuda"]
    else:
        with pytest.raises(ModelError, match=f"{CUDA} takes none of the 10 nodes of .*g.onnx .*choose another"):
            opened(runtime, graph, name)


@pytest.mark.usefixtures("sound")
def test_a_provider_for_few_nodes_is_not_taken_by_itself(graph: Path) -> None:
    runtime = FakeRuntime(
        brings={"sound": [ep_device("WebGpuExecutionProvider", "GPU")]}, on_provider={"WebGpuExecutionProvider": 4}
    )

    assert opened(runtime, graph).declined == {
        "webgpu": f"only 4 of 10 nodes of {graph} can run on WebGpuExecutionProvider"
    }
    assert opened(runtime, graph, "webgpu").nodes == {CPU: 6, "WebGpuExecutionProvider": 4}


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
@pytest.mark.parametrize("provider", [CUDA, DML])
def test_float16_graphs_of_ours_are_taken_by_gpus(provider: str, weights: Weights) -> None:
    device = opened(FakeRuntime([provider, CPU]), tiny_llama(weights) / "model.onnx")

    assert (device.used, device.declined) == (provider, {})


@pytest.mark.parametrize("provider", [CUDA, DML])
def test_the_8_bit_graph_is_left_to_the_cpu_with_the_command_that_converts_for_the_gpu(provider: str) -> None:
    device = opened(FakeRuntime([provider, CPU]), tiny_llama("int8") / "model.onnx")

    (reason,) = device.declined.values()
    assert device.used == CPU
    assert "jan-ort models convert FILE.gguf --weights int4-fp16" in reason


@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_the_real_cpu_runs_every_node_of_our_graph(provider: str, llama_folder: Path) -> None:
    may_be_strict = provider == "cpu" or DML not in onnxruntime.get_available_providers()  # which declines the graph
    extra = {"provider": provider, "strict": str(int(may_be_strict))}
    session = OnnxRuntimeBackend().open(llama_folder, OpenOptions(extra=extra))

    assert session.info.device.used == CPU
    assert list(session.info.device.nodes) == [CPU]
    assert session.info.device.nodes[CPU] > 10
