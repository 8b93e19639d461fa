"""Which operators of a graph decide where it can run, and why a provider cannot run it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.onnx_file import DTYPES, read_value
from jan_ort_onnxruntime.graphs.protobuf_wire import as_bytes, as_text, read_fields
from jan_ort_onnxruntime.providers.provider_table import Provider

_TYPED_INPUT: Mapping[str, int | None] = {
    "GroupQueryAttention": 3,
    "MatMulNBits": 2,
    "GatherBlockQuantized": 2,
    "RotaryEmbedding": 2,
    "SimplifiedLayerNormalization": 1,
    "SkipSimplifiedLayerNormalization": 2,
    "QuickGelu": None,
}
"""The input of each deciding operator that has the type of its activations, and a type that the file tells.

That is the past keys, the scales, the cosines or the norm's weight; None where there is none.
"""


@dataclass(frozen=True, slots=True, order=True)
class OperatorNeed:
    """An operator with the type of its activations ("" where the graph does not say it) and its weights' bits, or 0.

    ``forms`` are ways to use the operator that not every kernel has; see :func:`_forms`.
    """

    op_type: str
    activations: str
    bits: int = 0
    forms: tuple[str, ...] = ()

    def __str__(self) -> str:
        bits = f" with {self.bits} bits" if self.bits else ""
        forms = f" ({', '.join(self.forms)})" if self.forms else ""
        return f"{self.op_type}{bits}{forms} on {self.activations or 'an unknown type'}"


def read_needs(model_path: Path) -> frozenset[OperatorNeed]:
    """Read the deciding operators of a graph, without its weights. Raises: ModelError if it is no graph."""
    try:
        with model_path.open("rb") as stream:
            model = read_fields(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)))
            graph = [field for number, value in model if number == 7 for field in read_fields(as_bytes(value))]
    except (ValueError, IndexError, OSError) as error:
        raise ModelError(f"{model_path} cannot be read: {error}; convert or download the model again") from error
    tensors = [dict(read_fields(as_bytes(value))) for number, value in graph if number == 5]
    types = {as_text(tensor[8]): _dtype(tensor.get(2)) for tensor in tensors}
    inputs = [read_value(as_bytes(field)) for number, field in graph if number == 11]
    types |= {value.name: value.dtype for value in inputs}
    needs = (_need(as_bytes(value), types) for number, value in graph if number == 1)
    return frozenset(need for need in needs if need is not None)


def _need(node: memoryview, types: Mapping[str, str]) -> OperatorNeed | None:
    """Return what a NodeProto needs, None if its operator is not one that decides."""
    fields = list(read_fields(node))
    op_type = next((as_text(value) for number, value in fields if number == 4), "")
    if op_type not in _TYPED_INPUT:
        return None
    inputs = [as_text(value) for number, value in fields if number == 1]
    attributes = [dict(read_fields(as_bytes(value))) for number, value in fields if number == 5]
    numbers = {as_text(each[1]): number for each in attributes if isinstance(number := each.get(3), int)}
    typed = _TYPED_INPUT[op_type]
    activations = "" if typed is None else types.get(inputs[typed], "")
    return OperatorNeed(op_type, activations, numbers.get("bits", 0), _forms(op_type, inputs, numbers))


def _forms(op_type: str, inputs: Sequence[str], numbers: Mapping[str, int]) -> tuple[str, ...]:
    """Return how a node uses its operator, where kernels differ in that; in alphabetic order."""
    given = {index for index, name in enumerate(inputs) if name}
    if op_type == "GroupQueryAttention":
        forms = {
            "packed query, key and value": 1 not in given,
            "rotary embedding inside": bool(numbers.get("do_rotary")),
        }
    elif op_type == "MatMulNBits":
        forms = {"bias": 5 in given, "g_idx": 4 in given}
    else:
        forms = {}
    return tuple(form for form, used in forms.items() if used)


def _dtype(number: object) -> str:
    return DTYPES.get(number, "") if isinstance(number, int) else ""


def why_not(needs: Iterable[OperatorNeed], provider: Provider) -> str | None:
    """Say which operators of a graph ``provider`` has no kernel for, and what to convert; None if it has them all."""
    lacking = [str(need) for need in sorted(needs) if not _has_kernel(need, provider)]
    if not lacking:
        return None
    return f"{provider.ep_name} has no kernel for {', '.join(lacking)}; {provider.convert}"


def _has_kernel(need: OperatorNeed, provider: Provider) -> bool:
    if need.op_type not in provider.kernels:
        return True
    kernel = provider.kernels[need.op_type]
    if kernel is None:
        return False
    fits = kernel.bits is None or need.bits == 0 or need.bits in kernel.bits
    fits = fits and not kernel.lacks.intersection(need.forms)
    return fits and need.activations in (*kernel.activations, "")
