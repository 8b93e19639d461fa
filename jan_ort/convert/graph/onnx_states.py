"""What keeps a state instead of keys and values, as nodes of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.states import DeltaNet
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.operations import Convolution
from jan_ort.convert.inputs.checkpoint import Checkpoint


class OnnxStates:
    """Adds the nodes; ``shapes`` are those of the states, in float32, in the order of their numbers."""

    def __init__(self, source: Checkpoint, writer: OnnxWriter, dtype: type[np.generic]) -> None:
        self._source = source
        self._writer = writer
        self._dtype = dtype
        self.shapes: list[tuple[int, ...]] = []

    def convolve(self, name: str, x: str, convolution: Convolution) -> str:
        """Add a convolution that remembers the last tokens, in float32."""
        shape = (convolution.channels, convolution.kernel)
        weight = self._source.tensor(f"{convolution.tensor}.weight", shape).dequantize()
        past, present = self._new_state(convolution.kernel - 1, convolution.channels)
        taps = self._writer.initializer(f"{name}.weight", weight[:, np.newaxis])
        inputs, outputs = [self._float32(x), taps, "", past], [f"{name}.convolved", present]
        at = {"channels_last": 1, "activation": "silu" if convolution.activated else "none"}
        self._writer.node("CausalConvWithState", inputs, outputs, domain=MICROSOFT, **at)
        return self._narrowed(outputs[0])

    def recur(self, name: str, x: tuple[str, str, str], gates: tuple[str, str], net: DeltaNet) -> str:
        """Add the recurrence in float32; heads that lie apart are brought together by writing keys several times."""
        share = net.value_heads // net.key_heads
        query, key, value = (self._float32(each) for each in x)
        if is_tiled := net.tiled and share > 1:
            query, key = (
                self._writer.node("Concat", [each] * share, [f"{name}.tiled_{kind}"], axis=-1)
                for kind, each in (("q", query), ("k", key))
            )
        past, present = self._new_state(net.value_heads, net.key_dim, net.value_dim)
        inputs = [query, key, value, past, self._float32(gates[1]), self._float32(gates[0])]
        heads = {"q_num_heads": net.value_heads if is_tiled else net.key_heads}
        heads |= {"kv_num_heads": net.value_heads}
        outputs = [f"{name}.read", present]
        rule = {"update_rule": "gated_delta", "scale": net.key_dim**-0.5}
        self._writer.node("LinearAttention", inputs, outputs, domain=MICROSOFT, **heads, **rule)
        return self._narrowed(outputs[0])

    def decay(self, name: str, x: str, rate: str, bias: str, size: int) -> str:
        """Add softplus between a sum and a product."""
        vectors = {kind: self._source.vector(tensor, size) for kind, tensor in (("bias", bias), ("rate", rate))}
        moved = self._writer.node("Add", [x, self._constant(f"{name}.bias", vectors["bias"])], [f"{name}.moved"])
        grown = self._writer.node("Softplus", [moved], [f"{name}.grown"])
        return self._writer.node("Mul", [grown, self._constant(f"{name}.rate", vectors["rate"])], [f"{name}.out"])

    def _new_state(self, *shape: int) -> tuple[str, str]:
        self.shapes.append(shape)
        return f"past_state.{len(self.shapes) - 1}", f"present_state.{len(self.shapes) - 1}"

    def _float32(self, x: str) -> str:
        if self._dtype == np.float32:
            return x
        return self._writer.node("Cast", [x], [f"{x}.float32"], to=TensorProto.FLOAT)

    def _narrowed(self, x: str) -> str:
        """Return float32 values in the type of all others."""
        if self._dtype == np.float32:
            return x
        return self._writer.node("Cast", [x], [f"{x}.float16"], to=TensorProto.FLOAT16)

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        return self._writer.initializer(name, values.astype(self._dtype))
