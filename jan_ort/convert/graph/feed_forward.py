"""The feed-forward blocks of a decoder, dense or of experts, whatever carries their operations out."""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import DecoderTensors
from jan_ort.convert.graph.layer_part import LayerPart
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.operations import Norm, Value
from jan_ort.convert.weights.matrices import Part
from jan_ort.convert.weights.smoothing import Scale


class FeedForward(LayerPart[Value]):
    """What follows attention in each layer."""

    def said(self, layer: int, x: Value, scale: Scale | None, residual: Value) -> Value:
        """Return what a layer's block says of its input ``x``, the normed residual, which is divided by ``scale``."""
        names, prefix = self._decoder.tensors.of(layer), f"blk.{layer}.ffn"
        sizes, kind = self._config.experts, self._decoder.experts
        if sizes is None or kind is None or layer < sizes.leading_dense:
            return self._block(prefix, x, names, self._config.widths[layer], scale, self._smoothing[layer].down)
        mixture = Mixture(names, kind, sizes, self._config.hidden_size, self._decoder.activation)
        if names.experts_norm:
            dense = self._block(prefix, x, names, self._config.widths[layer], scale, self._smoothing[layer].down)
            return self._beside(prefix, dense, residual, mixture)
        chosen = self._do.experts(f"{prefix}_exps", x, x, replace(mixture, scale=scale))
        if not sizes.shared_width:
            return chosen
        own = replace(names, gate=names.shared_gate, up=names.shared_up, down=names.shared_down)
        shared = self._block(f"{prefix}_shexp", x, own, sizes.shared_width, scale, None)
        if names.shared_router:
            gate = Part(names.shared_router, 1, None, scale)
            shared = self._do.open(f"{prefix}_shexp_opened", shared, x, gate)
        return self._do.add(f"{prefix}_mixed", chosen, shared)

    def _beside(self, prefix: str, dense: Value, residual: Value, mixture: Mixture) -> Value:
        """Return the sum of what a dense block and the experts say, each behind its norm."""
        do, names, hidden, factor = self._do, mixture.names, mixture.hidden, self._shrinkage
        dense = do.norm(dense, Norm(f"{prefix}_post_1", names.dense_post_norm, hidden))
        read = do.norm(residual, Norm(f"{prefix}_norm_2", names.experts_norm, hidden, read_factor=factor))
        routed = do.norm(residual, Norm(f"{prefix}_router_norm", "", hidden, read_factor=factor))
        chosen = do.experts(f"{prefix}_exps", read, routed, mixture)
        chosen = do.norm(chosen, Norm(f"{prefix}_post_2", names.experts_post_norm, hidden))
        return do.add(f"{prefix}_mixed", dense, chosen)

    def _block(
        self, prefix: str, x: Value, names: DecoderTensors, size: int, scale: Scale | None, down: Scale | None
    ) -> Value:
        """Return what a feed-forward block of ``size`` hidden values says."""
        do, kind, hidden_size = self._do, self._decoder.mlp, self._config.hidden_size
        gate, up = Part(names.gate, size, None, scale), Part(names.up, size, None, scale, down)
        if kind == "fused":
            gate = Part(names.up, size, None, scale, total=2 * size)
            up = replace(up, first=size, total=2 * size)
        # Separate products: packed into one, the split that follows costs more than is won.
        bent = f"{prefix}_up" if kind == "plain" else f"{prefix}_gate"
        activated = do.linear(bent, x, [up if kind == "plain" else gate], hidden_size)
        hidden = do.activate(bent, activated, self._decoder.activation)
        if kind != "plain":
            straight = do.linear(f"{prefix}_up", x, [up], hidden_size)
            hidden = do.multiply(f"{prefix}_gated", hidden, straight)
        return do.linear(f"{prefix}_down", hidden, [Part(names.down, hidden_size, None, down)], size)
