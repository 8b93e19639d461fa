"""Layers that keep a state instead of keys and values, whatever carries their operations out."""

from __future__ import annotations

from jan_ort.convert.architectures.states import DeltaNet, ShortConvolution
from jan_ort.convert.graph.layer_part import LayerPart
from jan_ort.convert.graph.operations import Convolution, HeadNorm, Value
from jan_ort.convert.weights.matrices import Part


class StateLayers(LayerPart[Value]):
    """What stands in the place of attention there."""

    def mixed(self, layer: int, x: Value, state: DeltaNet | ShortConvolution) -> Value:
        """Return what a layer of this kind says of its normed input ``x``."""
        if isinstance(state, DeltaNet):
            return self._delta_net(layer, x, state)
        return self._short_convolution(layer, x, state)

    def _short_convolution(self, layer: int, x: Value, state: ShortConvolution) -> Value:
        do, names, prefix, size = self._do, self._decoder.tensors.of(layer), f"blk.{layer}.conv", state.channels
        smooth = self._smoothing[layer].attention
        rows = [Part(names.state_input, 3 * size, None, smooth)]
        projected = do.linear(f"blk.{layer}.state_in", x, rows, self._config.hidden_size)
        before, behind, values = do.split(f"{prefix}_parts", projected, [size] * 3)
        gated = do.multiply(f"{prefix}_before", before, values)
        convolved = do.convolve(prefix, gated, Convolution(names.convolution, size, state.kernel))
        gated = do.multiply(f"{prefix}_behind", behind, convolved)
        return do.linear(f"{prefix}_out", gated, [Part(names.state_output, self._config.hidden_size)], size)

    def _delta_net(self, layer: int, x: Value, net: DeltaNet) -> Value:
        do, names, prefix = self._do, self._decoder.tensors.of(layer), f"blk.{layer}.delta"
        smooth, hidden = self._smoothing[layer].attention, self._config.hidden_size
        mixed = 2 * net.keys + net.values
        projected = do.linear(f"blk.{layer}.state_in", x, [Part(names.state_input, mixed, None, smooth)], hidden)
        convolved = do.convolve(prefix, projected, Convolution(names.convolution, mixed, net.kernel, activated=True))
        vectors, values = do.split(f"{prefix}_qk_v", convolved, [2 * net.keys, net.values])
        united = do.unit(f"{prefix}_qk", vectors, 2 * net.key_heads, net.key_dim, net.eps)
        queries, keys = do.split(f"{prefix}_q_k", united, [net.keys] * 2)
        rows = [Part(name, net.value_heads, None, smooth) for name in (names.update, names.decay)]
        both = do.linear(f"{prefix}_gates", x, rows, hidden)
        update, decay = do.split(f"{prefix}_update_decay", both, [net.value_heads] * 2)
        update = do.sigmoid(f"{prefix}_update", update)
        decay = do.decay(f"{prefix}_decay", decay, names.decay_rate, names.decay_bias, net.value_heads)
        read = do.recur(prefix, (queries, keys, values), (update, decay), net)
        normed = do.head_norm(read, HeadNorm(f"{prefix}_norm", names.state_scale, net.value_heads, net.value_dim, None))
        gate = do.linear(f"{prefix}_z", x, [Part(names.state_gate, net.values, None, smooth)], hidden)
        gated = do.multiply(f"{prefix}_gated", normed, do.activate(f"{prefix}_z", gate, "silu"))
        return do.linear(f"{prefix}_out", gated, [Part(names.state_output, hidden)], net.values)
