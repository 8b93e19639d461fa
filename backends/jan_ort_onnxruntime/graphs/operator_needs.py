"""Which operators of a graph decide where it can run, and what each node asks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from jan_ort_onnxruntime.graphs.protobuf_wire import Field, as_bytes, as_text, read_fields

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

OF_THE_MODEL = frozenset({"sliding window", "soft cap"})
"""Forms that an operator has because the model computes so; the others depend on how the graph was written."""


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


def read_need(op_type: str, node: Sequence[tuple[int, Field]], types: Mapping[str, str]) -> OperatorNeed | None:
    """Return what a node needs, None if its operator is not one that decides.

    ``node`` are the fields of its NodeProto; ``types`` are those of the graph's inputs and weights.
    """
    if op_type not in _TYPED_INPUT:
        return None
    inputs = [as_text(value) for number, value in node if number == 1]
    attributes = [dict(read_fields(as_bytes(value))) for number, value in node if number == 5]
    numbers = {as_text(each[1]): number for each in attributes if isinstance(number := each.get(3), int)}
    floats = {as_text(each[1]) for each in attributes if any(as_bytes(each.get(2, b"")))}
    typed = _TYPED_INPUT[op_type]
    activations = types.get(inputs[typed], "") if typed is not None and typed < len(inputs) else ""
    return OperatorNeed(op_type, activations, numbers.get("bits", 0), _forms(op_type, inputs, numbers, floats))


def _forms(op_type: str, inputs: Sequence[str], numbers: Mapping[str, int], floats: Set[str]) -> tuple[str, ...]:
    """Return how a node uses its operator, where kernels differ in that; in alphabetic order.

    ``floats`` are the names of its attributes that are numbers with a fraction and not 0.
    """
    given = {index for index, name in enumerate(inputs) if name}
    if op_type == "GroupQueryAttention":
        forms = {
            "packed query, key and value": 1 not in given,
            "rotary embedding inside": bool(numbers.get("do_rotary")),
            "sliding window": 0 < numbers.get("local_window_size", -1) < 2**63,  # -1, no window, is read unsigned
            "soft cap": "softcap" in floats,
        }
    elif op_type == "MatMulNBits":
        forms = {"bias": 5 in given, "g_idx": 4 in given}
    else:
        forms = {}
    return tuple(form for form, used in forms.items() if used)
