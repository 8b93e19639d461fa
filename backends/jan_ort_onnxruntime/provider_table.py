"""What is known of each execution provider, as data: its options, its limits, and which operators it has kernels for.

Sources: the kernels of ONNX Runtime's docs/OperatorKernels.md (types); its pull request 24509 (CUDA has 8 bits since
1.22); its documentation of the DirectML provider (no memory pattern, sequential execution, one Run at a time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

AUTO = "auto"
"""The value of the option ``provider`` that takes the first provider of ORDER that is proven to work."""

CPU_PROVIDER = "CPUExecutionProvider"

FLOATS = frozenset({"float32", "float16", "bfloat16"})


@dataclass(frozen=True, slots=True)
class Kernel:
    """What one operator's kernel takes: the types of its activations, and the ``bits`` of its weights (None: any)."""

    activations: frozenset[str]
    bits: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider.

    ``name`` is the value of the option ``provider``; ``ep_name`` is ONNX Runtime's name. ``options`` are given to it,
    ``memory_limit_option`` is its own option for the most bytes of its arena, ``memory_device`` is IOBinding's name
    for memory that it reads in place ("cpu" for host memory). ``serial_runs``: no two Runs on one device at once,
    whatever their sessions. ``kernels`` tells of the operators that decide whether a graph can run; None is an
    operator without a kernel, and one that is not named is left to the report of where its nodes ran.
    What to do: ``install`` where onnxruntime has no such provider, ``repair`` where it has and cannot use it,
    ``convert`` where the graph does not fit.
    """

    name: str
    ep_name: str
    install: str
    repair: str = "repair or uninstall its distribution"
    options: Mapping[str, str] = field(default_factory=dict)
    memory_limit_option: str | None = None
    memory_device: str = "cpu"
    memory_pattern: bool = True
    serial_runs: bool = False
    preloads_libraries: bool = False
    kernels: Mapping[str, Kernel | None] = field(default_factory=dict)
    convert: str = ""


CPU = Provider("cpu", CPU_PROVIDER, install="pip install onnxruntime")

CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    install="pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'",
    repair="pip install 'onnxruntime-gpu[cuda,cudnn]', and see whether nvidia-smi shows a GPU",
    # The arena doubles what it takes by default, and would take memory that the KV cache is to have.
    options=MappingProxyType({"arena_extend_strategy": "kSameAsRequested"}),
    memory_limit_option="gpu_mem_limit",
    memory_device="cuda",
    preloads_libraries=True,
    kernels=MappingProxyType(
        {
            "GroupQueryAttention": Kernel(frozenset({"float16", "bfloat16"})),
            "MatMulNBits": Kernel(FLOATS, frozenset({4, 8})),
            "GatherBlockQuantized": Kernel(FLOATS),
        }
    ),
    convert="export the model with float16 activations, for instance by onnxruntime-genai's builder: -p int4 -e cuda",
)

DML = Provider(
    "dml",
    "DmlExecutionProvider",
    install="on Windows: pip uninstall -y onnxruntime && pip install onnxruntime-windowsml",
    repair="update the graphics driver: DirectML needs DirectX 12",
    memory_pattern=False,
    serial_runs=True,
    kernels=MappingProxyType(
        {
            "GroupQueryAttention": Kernel(frozenset({"float32", "float16"})),
            "MatMulNBits": Kernel(frozenset({"float32", "float16"}), frozenset({4})),
            "GatherBlockQuantized": None,
        }
    ),
    convert="export the model with 4-bit weights and a float16 embedding, for instance by onnxruntime-genai's "
    "builder: -p int4 -e dml",
)

BUILT_IN = (CUDA, DML, CPU)
"""The providers that come with a flavour of ONNX Runtime, in the order in which they are tried."""

PLUGIN_PREFIX = "onnxruntime-ep-"
"""Distributions of this prefix bring a provider as a library; its devices are tried before BUILT_IN."""


def plugin_provider(ep_name: str) -> Provider:
    """Return what is assumed of a provider that came as a library: it reads host memory, and nothing of its kernels.

    Its ``name`` is ONNX Runtime's name in lower case, without the suffix: "openvino", "webgpu".
    """
    known = next((provider for provider in BUILT_IN if provider.ep_name == ep_name), None)
    if known is not None:
        return known
    name = ep_name.removesuffix("ExecutionProvider").lower()
    return Provider(name, ep_name, install=f"pip install {PLUGIN_PREFIX}{name}")
