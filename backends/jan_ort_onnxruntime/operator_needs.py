"""Which operators of a graph decide where it can run, and why a provider cannot run it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.onnx_file import _DTYPES, _bytes, _fields, _text, _value
from jan_ort_onnxruntime.provider_table import Provider

_TYPED_INPUT = {"GroupQueryAttention": 3, "MatMulNBits": 2, "GatherBlockQuantized": 2}
"""The input of each deciding operator whose type is that of its activations: the past keys, or the scales."""


@dataclass(frozen=True, slots=True, order=True)
class OperatorNeed:
    """An operator with the type of its activations ("" where the graph does not say it) and its weights' bits, or 0."""

    op_type: str
    activations: str
    bits: int = 0

    def __str__(self) -> str:
        bits = f" with {self.bits} bits" if self.bits else ""
        return f"{self.op_type}{bits} on {self.activations or 'an unknown type'}"


def read_needs(model_path: Path) -> frozenset[OperatorNeed]:
    """Read the deciding operators of a graph, without its weights. Raises: ModelError if it is no graph."""
    try:
        with model_path.open("rb") as stream:
            model = _fields(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)))
            graph = [field for number, value in model if number == 7 for field in _fields(_bytes(value))]
    except (ValueError, IndexError, OSError) as error:
        raise ModelError(f"{model_path} cannot be read: {error}; convert or download the model again") from error
    tensors = [dict(_fields(_bytes(value))) for number, value in graph if number == 5]
    types = {_text(tensor[8]): _dtype(tensor.get(2)) for tensor in tensors}
    types |= {value.name: value.dtype for number, field in graph if number == 11 for value in [_value(_bytes(field))]}
    needs = (_need(_bytes(value), types) for number, value in graph if number == 1)
    return frozenset(need for need in needs if need is not None)


def _need(node: memoryview, types: Mapping[str, str]) -> OperatorNeed | None:
    """Return what a NodeProto needs, None if its operator is not one that decides."""
    fields = list(_fields(node))
    op_type = next((_text(value) for number, value in fields if number == 4), "")
    if op_type not in _TYPED_INPUT:
        return None
    inputs = [_text(value) for number, value in fields if number == 1]
    attributes = [dict(_fields(_bytes(value))) for number, value in fields if number == 5]
    bits = next((attribute.get(3, 0) for attribute in attributes if _text(attribute[1]) == "bits"), 0)
    return OperatorNeed(op_type, types.get(inputs[_TYPED_INPUT[op_type]], ""), bits if isinstance(bits, int) else 0)


def _dtype(number: object) -> str:
    return _DTYPES.get(number, "") if isinstance(number, int) else ""


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
    return fits and need.activations in (*kernel.activations, "")
