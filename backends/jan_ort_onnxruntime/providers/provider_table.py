"""What is known of each execution provider, as data: its options, its limits, and which operators it has kernels for.

Sources: the kernels of ONNX Runtime's docs/OperatorKernels.md (types); its pull request 24509 (CUDA has 8 bits since
1.22); its documentation of the DirectML provider (no memory pattern, sequential execution, one Run at a time);
DmlOperatorGroupQueryAttention.cpp and DmlOperatorMatMulNBits.cpp (the forms that DirectML lacks, and that its attention
reads no past but the memory that present is written to).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jan_ort_onnxruntime.graphs.operator_needs import OF_THE_MODEL, OperatorNeed
from jan_ort_onnxruntime.session_settings import CPU_NAME

CPU_PROVIDER = "CPUExecutionProvider"

FLOATS = frozenset({"float32", "float16", "bfloat16"})
_DML_FLOATS = frozenset({"float32", "float16"})

_OWN_FLAVOUR = "onnxruntime-windowsml" if sys.platform == "win32" else "onnxruntime"
_CUDA_PACKAGE = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
"""Commands that every shell takes: cmd has no single quotes, and Windows' own PowerShell no "&&"."""

_CONVERT = (
    "convert its GGUF file for this provider: jan-ort models convert FILE.gguf --weights int4-fp16 (or serve it with "
    "--weights int4-fp16; fp16 if there is memory for it)"
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What one operator's kernel takes: the types of its activations, and the ``bits`` of its weights (None: any).

    ``lacks`` are the forms of the operator (see OperatorNeed) that it does not take.
    """

    activations: frozenset[str]
    bits: frozenset[int] | None = None
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider.

    ``name`` is the value of the option ``provider``; ``ep_name`` is ONNX Runtime's name. ``options`` are given to it,
    ``session_entries`` to every session on it. ``memory_limit_option`` is its own option for the most bytes of its
    arena, ``memory_device`` is IOBinding's name for memory that it reads in place ("cpu" for host memory).
    ``separate_rows``: that memory has no addresses, and attention takes several tokens only at the beginning of a
    sequence. ``on_processor``: built in, it runs on the CPU unless told otherwise. ``serial_runs``: no two Runs on one
    device at once, whatever their sessions. ``kernels`` tells of the operators that decide whether a graph can run;
    None is an operator without a kernel, and one that is not named is left to the report of where its nodes ran.
    What to do: ``install`` where onnxruntime has no such provider, ``repair`` where it has and cannot use it,
    ``convert`` where the graph does not fit.
    """

    name: str
    ep_name: str
    install: str
    repair: str = "update its driver, choose another provider, or uninstall its distribution"
    options: Mapping[str, str] = field(default_factory=dict)
    session_entries: Mapping[str, str] = field(default_factory=dict)
    memory_limit_option: str | None = None
    memory_device: str = "cpu"
    separate_rows: bool = False
    memory_pattern: bool = True
    serial_runs: bool = False
    preloads_libraries: bool = False
    on_processor: bool = False
    kernels: Mapping[str, Kernel | None] = field(default_factory=dict)
    convert: str = ""


CPU = Provider(CPU_NAME, CPU_PROVIDER, install="pip install onnxruntime")

CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    install=f"pip uninstall -y {_OWN_FLAVOUR}, then {_CUDA_PACKAGE}",
    repair=f"{_CUDA_PACKAGE}, and see whether nvidia-smi shows a GPU",
    # The arena doubles what it takes by default, and would take memory that the KV cache is to have.
    # float16 norms are summed in float32, as onnxruntime-genai has it (builders/base.py, ep_attrs).
    # A CUDA graph reads the inputs that it was captured with; ours are bound anew for each run (StepBinding).
    options=MappingProxyType(
        {
            "arena_extend_strategy": "kSameAsRequested",
            "enable_cuda_graph": "0",
            "enable_skip_layer_norm_strict_mode": "1",
        }
    ),
    memory_limit_option="gpu_mem_limit",
    memory_device="cuda",
    preloads_libraries=True,
    kernels=MappingProxyType(
        {
            "GroupQueryAttention": Kernel(frozenset({"float16", "bfloat16"})),
            "MatMulNBits": Kernel(FLOATS, frozenset({4, 8})),
            "GatherBlockQuantized": Kernel(FLOATS),
            "RotaryEmbedding": Kernel(FLOATS),
            "SimplifiedLayerNormalization": Kernel(FLOATS | {"float64"}),
            "SkipSimplifiedLayerNormalization": Kernel(FLOATS),
            "QuickGelu": Kernel(FLOATS | {"float64"}),
        }
    ),
    convert=_CONVERT,
)

DML = Provider(
    "dml",
    "DmlExecutionProvider",
    install="on Windows: pip uninstall -y onnxruntime, then pip install onnxruntime-windowsml",
    repair="update the graphics driver: DirectML needs DirectX 12",
    memory_device="dml",
    separate_rows=True,
    memory_pattern=False,
    serial_runs=True,
    kernels=MappingProxyType(
        {
            "GroupQueryAttention": Kernel(
                _DML_FLOATS,
                lacks=frozenset(
                    {"packed query, key and value", "rotary embedding inside", "sliding window", "soft cap"}
                ),
            ),
            "MatMulNBits": Kernel(_DML_FLOATS, frozenset({4}), lacks=frozenset({"bias", "g_idx"})),
            "GatherBlockQuantized": None,
            "RotaryEmbedding": Kernel(_DML_FLOATS),
            "SimplifiedLayerNormalization": Kernel(_DML_FLOATS),
            "SkipSimplifiedLayerNormalization": Kernel(_DML_FLOATS),
            "QuickGelu": Kernel(_DML_FLOATS),
        }
    ),
    convert=_CONVERT,
)

WEBGPU = Provider(
    "webgpu",
    "WebGpuExecutionProvider",
    install="pip install onnxruntime-ep-webgpu",
    repair="install the graphics driver's Vulkan, Metal or DirectX 12 part",
    # With its own layout, NHWC, the flavour 1.27 does not tell its nodes; only convolutions could gain by that.
    session_entries=MappingProxyType({"ep.webgpuexecutionprovider.preferredLayout": "NCHW"}),
    convert=_CONVERT,
)

OPENVINO = Provider(
    "openvino",
    "OpenVINOExecutionProvider",
    install="pip install onnxruntime-ep-openvino",
    on_processor=True,
)

BUILT_IN = (CUDA, DML, WEBGPU, OPENVINO, CPU)
"""The providers that come with a flavour of ONNX Runtime, in the order in which they are tried."""


def built_in(ep_name: str) -> Provider | None:
    """Return what is known of a provider by ONNX Runtime's name for it, None if it is not one of BUILT_IN."""
    return next((provider for provider in BUILT_IN if provider.ep_name == ep_name), None)


def plugin_provider(ep_name: str) -> Provider:
    """Return what is assumed of a provider that came as a library: it reads host memory, and nothing of its kernels.

    Its ``name`` is ONNX Runtime's name in lower case, without the suffix: "qnn", "openvino.auto".
    """
    known = built_in(ep_name)
    if known is not None:
        return known
    name = ep_name.replace("ExecutionProvider", "").lower()
    return Provider(name, ep_name, install="install its library's distribution")


def why_not(needs: Iterable[OperatorNeed], provider: Provider) -> str | None:
    """Say which operators of a graph ``provider`` has no kernel for, and what to do; None if it has them all."""
    lacking = [need for need in sorted(needs) if not _has_kernel(need, provider)]
    if not lacking:
        return None
    own = {form for need in lacking for form in _lacking_forms(need, provider)}.intersection(OF_THE_MODEL)
    kept = f"no conversion changes the model's {' and '.join(sorted(own))}: choose another provider, or another model"
    return f"{provider.ep_name} has no kernel for {', '.join(map(str, lacking))}; {kept if own else provider.convert}"


def _lacking_forms(need: OperatorNeed, provider: Provider) -> frozenset[str]:
    kernel = provider.kernels[need.op_type]
    return frozenset() if kernel is None else kernel.lacks.intersection(need.forms)


def _has_kernel(need: OperatorNeed, provider: Provider) -> bool:
    if need.op_type not in provider.kernels:
        return True
    kernel = provider.kernels[need.op_type]
    if kernel is None:
        return False
    fits = kernel.bits is None or need.bits == 0 or need.bits in kernel.bits
    fits = fits and not _lacking_forms(need, provider)
    return fits and need.activations in (*kernel.activations, "")
