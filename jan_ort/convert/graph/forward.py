"""A decoder's forward pass by its recipe, whatever carries the operations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.architectures.latent import LatentSizes
from jan_ort.convert.graph.feed_forward import FeedForward
from jan_ort.convert.graph.layer_embeddings import LayerEmbeddings
from jan_ort.convert.graph.operations import Attention, HeadNorm, LatentAttention, Norm, Operations, Value
from jan_ort.convert.graph.row_order import queries_before_gates, rows_in_pairs
from jan_ort.convert.graph.state_layers import StateLayers
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.matrices import Part
from jan_ort.convert.weights.smoothing import LayerSmoothing, Scale


class Forward(Generic[Value]):
    """Goes layer by layer, so that one layer is in memory at a time.

    ``smoothing`` has one entry per layer: what the inputs of its products are divided by, inside the norm weights and
    the up projection. ``residual`` is the sum of all updates but those that ``pending`` holds: a norm adds them. All of
    it is multiplied by ``shrinkage``, which no norm that reads it lets through.
    """

    def __init__(
        self,
        source: Checkpoint,
        decoder: Decoder,
        config: DecoderConfig,
        operations: Operations[Value],
        smoothing: Sequence[LayerSmoothing],
        shrinkage: float = 1.0,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._config = config
        self._do = operations
        self._smoothing = smoothing
        self._shrinkage = shrinkage
        self._states = StateLayers(decoder, config, operations, smoothing)
        self._feed_forward = FeedForward(decoder, config, operations, smoothing, shrinkage)
        self._temperatures = config.temperatures()
        self.residual = self._embed()
        self.pending: list[Value] = []
        self._layer_embeddings = LayerEmbeddings(decoder, config, operations, shrinkage, self.residual)

    def _embed(self) -> Value:
        embedded = self._do.embed(self._decoder.tensors.embedding)
        if (factor := self._config.scales.embedding * self._shrinkage) != 1:
            embedded = self._do.scale("embed", embedded, factor)
        if positions := self._decoder.tensors.positions:
            embedded = self._do.add("positions", embedded, self._do.position_embeddings(positions))
        return embedded

    def layer(self, layer: int) -> None:
        """Add what attention and the feed-forward block of a layer say to the residual."""
        names, smooth = self._decoder.tensors.of(layer), self._smoothing[layer]
        if self._is_parallel(names):
            self._parallel_blocks(layer, names, smooth)
        else:
            self._blocks(layer, names, smooth)
        if self._config.layer_embedding_size:
            self._settle(f"blk.{layer}.layer_gate")
            said = self._layer_embeddings.read_by(layer, self.residual)
            self._update(layer, "layer_embedding", said, names.layer_output_norm)
        if names.layer_scale and self._source.has_tensor(names.layer_scale):
            self._settle(f"blk.{layer}.scale")
            factor = float(self._source.vector(names.layer_scale, 1)[0])
            self.residual = self._do.scale(f"blk.{layer}.scale", self.residual, factor)

    def _blocks(self, layer: int, names: DecoderTensors, smooth: LayerSmoothing) -> None:
        read = self._normed(layer, "attn_norm", names.attention_norm, smooth.attention)
        self._update(layer, "attn", self._mixed(layer, read), names.attention_post_norm)
        read = self._normed(layer, "ffn_norm", names.mlp_norm, smooth.mlp)
        said = self._feed_forward.said(layer, read, smooth.mlp, self.residual)
        self._update(layer, "ffn", said, names.mlp_post_norm)

    def _parallel_blocks(self, layer: int, names: DecoderTensors, smooth: LayerSmoothing) -> None:
        own = [name for name in (names.attention_norm, names.mlp_norm) if self._has(name)]
        attention_input = mlp_input = self._normed(layer, "attn_norm", own[0], smooth.attention)
        scale = smooth.attention
        if len(own) == 2:
            mlp_input, scale = self._normed(layer, "ffn_norm", own[1], smooth.mlp), smooth.mlp
        self._update(layer, "attn", self._attention(layer, attention_input), names.attention_post_norm)
        said = self._feed_forward.said(layer, mlp_input, scale, self.residual)
        self._update(layer, "ffn", said, names.mlp_post_norm)

    def output(self) -> Value:
        """Return what the head reads; a factor of all logits is in the norm's weight."""
        tensor, size = self._decoder.tensors.output_norm, self._config.hidden_size
        factor = self._config.scales.logits
        return self._norm(Norm("output_norm", tensor, size, factor=factor, read_factor=self._shrinkage))

    def _is_parallel(self, names: DecoderTensors) -> bool:
        kind = self._decoder.parallel
        return kind == "always" or (kind == "without mlp_norm" and not self._has(names.mlp_norm))

    def _has(self, tensor: str) -> bool:
        return bool(tensor) and self._source.has_tensor(f"{tensor}.weight")

    def _normed(self, layer: int, name: str, tensor: str, scale: Scale | None) -> Value:
        """Return what a block reads: the residual, behind a norm if there is one."""
        if tensor:
            size, factor = self._config.hidden_size, self._shrinkage
            return self._norm(Norm(f"blk.{layer}.{name}", tensor, size, scale, read_factor=factor))
        self._settle(f"blk.{layer}.{name}")
        return self.residual

    def _settle(self, name: str) -> None:
        """Add what is pending to the residual."""
        while self.pending:
            self.residual = self._do.add(name, self.residual, self.pending.pop(0))

    def _norm(self, norm: Norm) -> Value:
        if not self.pending:
            return self._do.norm(self.residual, norm)
        update, *others = self.pending
        for other in others:
            update = self._do.add(f"{norm.name}.updates", update, other)
        self.pending = []
        normed, self.residual = self._do.add_and_norm(self.residual, update, norm)
        return normed

    def _update(self, layer: int, name: str, update: Value, post_norm: str) -> None:
        factor = self._config.scales.residual * self._shrinkage
        if post_norm:
            norm = Norm(f"blk.{layer}.{name}_post", post_norm, self._config.hidden_size, factor=factor)
            update = self._do.norm(update, norm)
        elif factor != 1:
            update = self._do.scale(f"blk.{layer}.{name}", update, factor)
        self.pending.append(update)

    def _mixed(self, layer: int, x: Value) -> Value:
        state = self._config.states[layer]
        if state is None:
            return self._attention(layer, x)
        return self._states.mixed(layer, x, state)

    def _attention(self, layer: int, x: Value) -> Value:
        if self._config.latent is not None:
            return self._latent_attention(layer, x, self._config.latent)
        config, do, names, prefix = self._config, self._do, self._decoder.tensors.of(layer), f"blk.{layer}.attn"
        order = rows_in_pairs(self._decoder, self._config, layer)
        parts = self._projected(layer, order, self._smoothing[layer].attention)
        normed = self._has(names.query_norm) or self._has(names.key_norm)
        apart = normed or self._temperatures is not None or self._decoder.gated_queries
        projections = do.projections(f"{prefix}_qkv", x, parts, config.hidden_size, apart=apart)
        gates = None
        if self._decoder.gated_queries:
            query, gates = do.split(f"{prefix}_q_gates", projections[0], [config.attended_size(layer)] * 2)
            projections = (query, *projections[1:])
        if normed:
            projections = self._head_norms(layer, projections, order)
        if self._temperatures is not None:
            query, *others = projections
            projections = (do.temper(f"{prefix}_q", query, self._temperatures), *others)
        attended = do.attend(prefix, projections, self._how(layer))
        if gates is not None:
            attended = do.multiply(f"{prefix}_gated", attended, do.sigmoid(f"{prefix}_gates", gates))
        output = [Part(names.attention_output, config.hidden_size)]
        return do.linear(f"{prefix}_output", attended, output, config.attended_size(layer))

    def _head_norms(
        self, layer: int, projections: tuple[Value, ...], order: NDArray[np.intp] | None
    ) -> tuple[Value, ...]:
        """Return queries, keys and values behind their norms; a layer without values of its own takes its keys."""
        names, heads, prefix = self._decoder.tensors.of(layer), self._config.heads[layer], f"blk.{layer}.attn"

        def norm(kind: str, x: Value, tensor: str, count: int, order: NDArray[np.intp] | None) -> Value:
            return self._do.head_norm(x, HeadNorm(f"{prefix}_{kind}_norm", tensor, count, heads.size, order))

        query, *cached = projections
        query = norm("q", query, names.query_norm, self._config.num_attention_heads, order)
        if not cached:
            return (query,)
        value = norm("v", cached[-1], "", heads.count, None) if self._decoder.norms_values else cached[-1]
        return query, norm("k", cached[0], names.key_norm, heads.count, order), value

    def _latent_attention(self, layer: int, x: Value, sizes: LatentSizes) -> Value:
        config, do, names, prefix = self._config, self._do, self._decoder.tensors.of(layer), f"blk.{layer}.attn"
        scale, rotary = self._smoothing[layer].attention, config.rotaries[layer]
        assert rotary is not None  # no recipe with latent attention has layers that do not rotate
        query_size = config.num_attention_heads * (sizes.still + sizes.rotating)
        down, cached = sizes.query_rank, sizes.rank + sizes.rotating
        parts = [
            Part(names.query_down, down, None, scale) if down else Part(names.query, query_size, None, scale),
            Part(names.latent, sizes.rotating, None, scale, first=sizes.rank, total=cached),
            Part(names.latent, sizes.rank, None, scale, total=cached),
        ]
        query, key, vector = do.projections(f"{prefix}_qkv", x, parts, config.hidden_size, apart=True)
        if down:
            query = do.norm(query, Norm(f"{prefix}_q_a_norm", names.query_down_norm, down))
            query = do.linear(f"{prefix}_q_b", query, [Part(names.query_up, query_size)], down)
        vector = do.norm(vector, Norm(f"{prefix}_kv_a_norm", names.latent_norm, sizes.rank))
        heads, pairs = config.num_attention_heads, self._decoder.rotary_pairs
        how = LatentAttention(layer, heads, sizes, rotary, names.latent_keys, names.latent_values, pairs)
        attended = do.attend_latent(prefix, (query, key, vector), how)
        output = [Part(names.attention_output, config.hidden_size)]
        return do.linear(f"{prefix}_output", attended, output, config.attended_size(layer))

    def _how(self, layer: int) -> Attention:
        config, heads = self._config, self._config.heads[layer]
        return Attention(
            cache=config.attending.index(heads.owner),
            num_heads=config.num_attention_heads,
            num_key_value_heads=heads.count,
            head_dim=heads.size,
            scale=config.scales.attention,
            rotary=config.rotaries[layer],
            window=config.windows[layer],
            cap=config.scales.attention_cap,
            sinks=self._decoder.tensors.of(layer).attention_sinks,
            causal=config.causal,
            only_reads=heads.owner != layer,
        )

    def _projected(self, layer: int, order: NDArray[np.intp] | None, scale: Scale | None) -> list[Part]:
        """Return queries, keys and values: tensors of their own, or rows of one; without values that are the keys."""
        names, heads = self._decoder.tensors.of(layer), self._config.heads[layer]
        query, key, query_order = self._config.attended_size(layer), heads.width, order
        if self._decoder.gated_queries:
            query, query_order = 2 * query, queries_before_gates(self._config, layer, order)
        own = [
            Part(names.query, query, query_order, scale),
            Part(names.key, key, order, scale),
            Part(names.value, key, None, scale),
        ]
        if heads.owner != layer:
            return own[:1]
        if self._decoder.norms_values and not self._has(names.value) and not self._has(names.qkv):
            return own[:2] if order is None else [*own[:2], replace(own[2], name=names.key)]
        if not self._has(names.qkv):
            return own
        firsts, total = (0, query, query + key), query + 2 * key
        return [
            replace(part, name=names.qkv, first=first, total=total, bias=part.name)
            for part, first in zip(own, firsts, strict=True)
        ]
