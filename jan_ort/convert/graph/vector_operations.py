"""The operations of a decoder that reads vectors instead of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.graph.onnx_operations import POSITIONS, OnnxOperations
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.graph.operations import Attention

VECTORS = "inputs_embeds"
KINDS = "token_type_ids"
TOTAL = "total_sequence_length"


class VectorOperations(OnnxOperations):
    """What the decoder reads is the input inputs_embeds, ``(batch, sequence, hidden_size)``.

    ``separates``: it runs one sequence at a time, for more is told of an image than its vectors. ``inputs``: what such
    a graph takes beside caches and positions, int32 or int64, with its shape.
    """

    separates: ClassVar[bool] = False
    inputs: ClassVar[Mapping[str, tuple[type[np.generic], list[int | str]]]] = {
        "seqlens_k": (np.int32, ["batch"]),
        TOTAL: (np.int32, [1]),
    }

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Return the input."""
        return VECTORS

    def _exact(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant of its own type, the first time that it is used."""
        if name not in self._written:
            self._written.add(name)
            self._writer.initializer(name, values)
        return name


class AxesOperations(VectorOperations):
    """Positions are of three axes, int64 ``(3, 1, sequence)``, and each pair of a head rotates by one of them.

    Source: Wang et al. 2024, arXiv:2409.12191, section 2.1.
    """

    separates = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._rotates_inside, self.takes_positions = False, True
        self.positions_shape = [3, "batch", "sequence"]

    def _rotate(self, x: str, rotary: Rotary, head_dim: int, interleaved: int = 0) -> str:
        zero = self._exact("first_position", np.zeros(1, np.int64))
        inputs = [x, zero, *self._turned(rotary, head_dim)]
        return self._writer.node("RotaryEmbedding", inputs, [f"{x}.rotated"], domain=MICROSOFT, interleaved=interleaved)

    def _turned(self, rotary: Rotary, head_dim: int) -> list[str]:
        """Add the tokens' own cosines and sines, ``(sequence, head_dim / 2)``, the first time that they are used."""
        names = [f"{table}.turned" for table in (f"{rotary.name}.cos", f"{rotary.name}.sin")]
        if not self._written.issuperset(names):
            self._written.update(names)
            tables = rotary.tables(self._source, self._config.max_position_embeddings, head_dim)
            ends = np.cumsum(self._config.sections)[:-1]
            for name, table in zip(names, tables, strict=True):
                parts = [self._part(f"{name}.{axis}", each, axis) for axis, each in enumerate(np.split(table, ends, 1))]
                joined = self._writer.node("Concat", parts, [f"{name}.joined"], axis=-1)
                axes = self._exact("first_axis", np.zeros(1, np.int64))
                self._writer.node("Squeeze", [joined, axes], [name])
        return names

    def _part(self, name: str, table: NDArray[Any], axis: int) -> str:
        """Add the columns that rotate by one axis, ``(1, sequence, columns)``."""
        index = self._exact(f"axis_{axis}", np.array(axis, np.int64))
        places = f"positions.{axis}"
        if places not in self._written:
            self._written.add(places)
            self._writer.node("Gather", [POSITIONS, index], [places], axis=0)
        return self._writer.node("Gather", [self._once(name, table), places], [f"{name}.rows"], axis=0)


class BothWaysOperations(VectorOperations):
    """An image's tokens see all of their image: attention is written out, for no operator has such a mask.

    Source: Gemma Team 2025, arXiv:2503.19786, section 2.1.
    """

    separates = True
    inputs: ClassVar[Mapping[str, tuple[type[np.generic], list[int | str]]]] = {
        TOTAL: (np.int32, [1]),
        KINDS: (np.int64, ["batch", "sequence"]),
    }

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._rotates_inside, self.takes_positions = False, True

    def attend(self, name: str, projections: tuple[str, ...], attention: Attention) -> str:
        """Add the attention, with the rotation outside."""
        query, key, value = projections
        if attention.rotary is not None:
            query, key = (self._rotate(each, attention.rotary, attention.head_dim) for each in (query, key))
        heads, groups, size = attention.num_key_value_heads, attention.num_heads, attention.head_dim
        groups //= heads
        query = self._laid(f"{name}.query", query, [0, 0, heads, groups, size], [0, 2, 3, 1, 4])
        key, value = (
            self._grown(name, kind, self._laid(f"{name}.{kind}", x, [0, 0, heads, size], [0, 2, 1, 3]), attention)
            for kind, x in (("key", key), ("value", value))
        )
        turned = self._writer.node("Transpose", [key], [f"{name}.key_turned"], perm=[0, 1, 2, 4, 3])
        scores = self.scale(f"{name}.scores", self._product(f"{name}.scores", query, turned), attention.scale)
        masked = self._writer.node(
            "Where", [self._visible(attention.window), scores, self._least()], [f"{name}.masked"]
        )
        weights = self._writer.node("Softmax", [masked], [f"{name}.weights"], axis=-1)
        mixed = self._product(f"{name}.mixed", weights, value)
        shape = [0, 0, attention.num_heads * size]
        laid = self._writer.node("Transpose", [mixed], [f"{name}.mixed_turned"], perm=[0, 3, 1, 2, 4])
        return self._writer.reshape(laid, f"{name}.out", shape)

    def _product(self, name: str, x: str, y: str) -> str:
        return self._writer.node("MatMul", [x, y], [f"{name}.product"])

    def _laid(self, name: str, x: str, shape: list[int], order: list[int]) -> str:
        """Add a change of shape and then of the order of axes."""
        return self._writer.node("Transpose", [self._writer.reshape(x, f"{name}.split", shape)], [name], perm=order)

    def _grown(self, name: str, kind: str, new: str, attention: Attention) -> str:
        """Add the cache with what is ``new``, ``(1, heads, total, size)``; return it for all queries of a head."""
        present = f"present.{attention.cache}.{kind}"
        past = f"past_key_values.{attention.cache}.{kind}"
        self._writer.node("Concat", [past, new], [present], axis=2)
        axes = self._exact("axis_of_groups", np.array([2], np.int64))
        return self._writer.node("Unsqueeze", [present, axes], [f"{name}.{kind}_all"])

    def _least(self) -> str:
        lowest = np.finfo(np.float16 if self._dtype == np.float16 else np.float32).min
        return self._once("least", np.array(lowest))

    def _visible(self, window: int) -> str:
        """Add which tokens see which, bool ``(sequence, total)``, the first time that it is asked for."""
        name = f"visible.{window}"
        if name in self._written:
            return name
        self._written.add(name)
        if not window:
            return self._add_visible(name)
        self._visible(0)
        near = self._writer.node(
            "Less", ["distance", self._exact(f"{name}.size", np.array(window, np.int64))], [f"{name}.near"]
        )
        return self._writer.node("And", ["visible.0", near], [name])

    def _add_visible(self, name: str) -> str:
        """Add the mask without a window: what is before, and the image that a token is of, which lies in one row."""
        node = self._writer.node
        zero, one = (self._exact(f"int_{each}", np.array(each, np.int64)) for each in (0, 1))
        length = node("Squeeze", [node("Shape", [VECTORS], ["sequence.shape"], start=1, end=2)], ["sequence"])
        total = node("Squeeze", [node("Cast", [TOTAL], ["total.long"], to=TensorProto.INT64)], ["total"])
        past = node("Sub", [total, length], ["past"])
        places = node("Range", [zero, total, one], ["places"])
        own = self._writer.reshape(node("Range", [past, total, one], ["own.flat"]), "own", [-1, 1])
        node("Sub", [own, places], ["distance"])
        before = node("GreaterOrEqual", ["distance", zero], ["before"])
        padded = node("Concat", [self._of_past(past, length), self._together(zero, one)], ["together"], axis=1)
        return node("Or", [before, padded], [name])

    def _of_past(self, past: str, length: str) -> str:
        """Add that no image lies partly in the cache."""
        axes = self._exact("first_axis", np.zeros(1, np.int64))
        sizes = [self._writer.node("Unsqueeze", [each, axes], [f"{each}.list"]) for each in (length, past)]
        shape = self._writer.node("Concat", sizes, ["of_past.shape"], axis=0)
        nothing = self._exact("nothing", np.zeros(1, np.bool_))
        return self._writer.node("Expand", [nothing, shape], ["of_past"])

    def _together(self, zero: str, one: str) -> str:
        """Add which tokens of the row are of one image, bool ``(sequence, sequence)``: nothing is between them."""
        node, axis = self._writer.node, self._exact("second_axis", np.array(1, np.int64))
        other = node("Not", [node("Equal", [KINDS, one], ["of_image"])], ["other"])
        number = node("CumSum", [node("Cast", [other], ["other.long"], to=TensorProto.INT64), axis], ["image.number"])
        columns, rows = (
            self._writer.reshape(number, f"image.{which}", shape)
            for which, shape in (("columns", [1, -1]), ("rows", [-1, 1]))
        )
        same = node("Equal", [rows, columns], ["same.number"])
        both = node("And", [self._writer.reshape("of_image", "of_image.rows", [-1, 1]), "of_image"], ["both.images"])
        return node("And", [same, both], ["same.image"])
