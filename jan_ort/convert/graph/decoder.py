"""The ONNX graph of a llama decoder with a KV cache that past and present share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jan_ort.convert.architectures.llama import LlamaConfig, rotary_frequencies
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.calibration import LayerSmoothing, Scale
from jan_ort.convert.weights.matrices import LlamaWeights, Part
from jan_ort.convert.weights.quantization import QuantizedMatrix
from jan_ort.convert.weights.schemes import SCHEMES, Weights

NUM_TOP_LOGITS = 64
"""Largest logits that the graph returns sorted, if the vocabulary has as many."""

_ACCURACY_LEVEL = 4  # int8 activations; with float activations the CPU kernel is about 15 times slower


class LlamaGraph:
    """Builds the graph of ``source`` into ``writer``, layer by layer, so that one layer is in memory at a time.

    ``smoothing`` has one entry per layer: what the inputs of its products are divided by, inside the norm weights
    and the up projection. ``name`` is the value of the metadata key "jan_ort.graph": the names and shapes of the
    inputs and outputs.
    """

    name = "gqa-shared-kv/1"

    def __init__(
        self,
        source: GgufFile,
        config: LlamaConfig,
        writer: OnnxWriter,
        weights: Weights,
        smoothing: Sequence[LayerSmoothing],
    ) -> None:
        self._source = source
        self._config = config
        self._writer = writer
        self._scheme = weights
        self._dtype = np.float16 if SCHEMES[weights].activations == "float16" else np.float32
        self._weights = LlamaWeights(source, weights)
        self._smoothing = smoothing
        self._block_sums: dict[str, str] = {}

    def build(self, progress: Callable[[float], None]) -> None:
        """Write all nodes and initialisers and save the model; ``progress`` gets the fraction of layers done."""
        config, writer = self._config, self._writer
        self._declare_inputs()
        self._rotary_tables()
        residual = self._embed()
        hidden = self._first_norm(residual)
        for layer, smooth in enumerate(self._smoothing):
            attended = self._attention(layer, hidden, smooth)
            hidden, residual = self._add_and_norm(f"blk.{layer}.ffn_norm", residual, attended, smooth.mlp)
            fed_forward = self._mlp(layer, hidden, smooth)
            if layer + 1 < config.num_hidden_layers:
                norm, scale = f"blk.{layer + 1}.attn_norm", self._smoothing[layer + 1].attention
            else:
                norm, scale = "output_norm", None
            hidden, residual = self._add_and_norm(norm, residual, fed_forward, scale)
            progress((layer + 1) / config.num_hidden_layers)
        self._head(hidden)
        self._declare_outputs()
        metadata = {"jan_ort.graph": self.name, "jan_ort.context_length": str(config.max_position_embeddings)}
        writer.save("llama", metadata)

    def _declare_inputs(self) -> None:
        writer = self._writer
        writer.input("input_ids", np.int64, ["batch", "sequence"])
        writer.input("seqlens_k", np.int32, ["batch"])
        writer.input("total_sequence_length", np.int32, [1])
        writer.input("logits_rows", np.int64, ["num_logits"])
        for name in self._cache_names("past_key_values"):
            writer.input(name, self._dtype, self._cache_shape())

    def _declare_outputs(self) -> None:
        writer = self._writer
        writer.output("logits", np.float32, ["num_logits", self._config.vocab_size])
        num_top = min(NUM_TOP_LOGITS, self._config.vocab_size)
        writer.output("top_logits", np.float32, ["num_logits", num_top])
        writer.output("top_token_ids", np.int64, ["num_logits", num_top])
        for name in self._cache_names("present"):
            writer.output(name, self._dtype, self._cache_shape())

    def _cache_names(self, prefix: str) -> list[str]:
        layers = range(self._config.num_hidden_layers)
        return [f"{prefix}.{layer}.{kind}" for layer in layers for kind in ("key", "value")]

    def _cache_shape(self) -> list[int | str]:
        return ["batch", self._config.num_key_value_heads, "max_length", self._config.head_dim]

    def _rotary_tables(self) -> None:
        """Add cosines and sines, ``(context_length, head_dim / 2)``."""
        frequencies = rotary_frequencies(self._source, self._config)
        angles = np.arange(self._config.max_position_embeddings)[:, np.newaxis] * frequencies
        self._writer.initializer("rotary.cos", np.cos(angles).astype(self._dtype))
        self._writer.initializer("rotary.sin", np.sin(angles).astype(self._dtype))

    def _embed(self) -> str:
        embedding = self._embedding = self._weights.embedding(self._config.vocab_size, self._config.hidden_size)
        codes = embedding.codes.reshape(embedding.rows, -1)  # (vocab_size, hidden_size)
        inputs = [
            self._writer.initializer("embed.codes", codes),
            "input_ids",
            self._writer.initializer("embed.scales", embedding.scales),
        ]
        at = {"bits": 8, "block_size": embedding.block_size, "gather_axis": 0, "quantize_axis": 1}
        return self._writer.node("GatherBlockQuantized", inputs, ["embed.out"], domain=MICROSOFT, **at)

    def _first_norm(self, hidden: str) -> str:
        inputs = [hidden, self._norm_weight("blk.0.attn_norm", self._smoothing[0].attention)]
        at: dict[str, Any] = {"axis": -1, "epsilon": self._config.rms_norm_eps, "stash_type": 1}
        return self._writer.node("SimplifiedLayerNormalization", inputs, ["blk.0.attn_norm.out"], **at)

    def _add_and_norm(self, name: str, residual: str, update: str, scale: Scale | None) -> tuple[str, str]:
        """Return the normalised sum, divided by ``scale``, and the sum itself, the new residual."""
        outputs = [f"{name}.out", "", "", f"{name}.residual"]
        inputs = [residual, update, self._norm_weight(name, scale)]
        operator = "SkipSimplifiedLayerNormalization"
        self._writer.node(operator, inputs, outputs, domain=MICROSOFT, epsilon=self._config.rms_norm_eps)
        return outputs[0], outputs[3]

    def _norm_weight(self, name: str, scale: Scale | None) -> str:
        weight = self._source.vector(f"{name}.weight", self._config.hidden_size)
        if scale is not None:
            weight = weight / scale
        return self._writer.initializer(f"{name}.weight", weight.astype(self._dtype))

    def _attention(self, layer: int, hidden: str, smooth: LayerSmoothing) -> str:
        config, prefix = self._config, f"blk.{layer}.attn"
        parts = [
            Part(f"{prefix}_q", config.query_size, config.num_attention_heads, smooth.attention),
            Part(f"{prefix}_k", config.key_value_size, config.num_key_value_heads, smooth.attention),
            Part(f"{prefix}_v", config.key_value_size, 0, smooth.attention),
        ]
        packed = self._linear(f"{prefix}_qkv", hidden, parts, config.hidden_size)
        past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        present = [f"present.{layer}.key", f"present.{layer}.value"]
        attended = self._writer.node(
            "GroupQueryAttention",
            [packed, "", "", *past, "seqlens_k", "total_sequence_length", "rotary.cos", "rotary.sin"],
            [f"{prefix}.out", *present],
            domain=MICROSOFT,
            num_heads=config.num_attention_heads,
            kv_num_heads=config.num_key_value_heads,
            do_rotary=1,
            rotary_interleaved=0,
            scale=config.head_dim**-0.5,
        )
        output = [Part(f"{prefix}_output", config.hidden_size)]
        return self._linear(f"{prefix}_output", attended, output, config.query_size)

    def _mlp(self, layer: int, hidden: str, smooth: LayerSmoothing) -> str:
        config, prefix = self._config, f"blk.{layer}.ffn"
        # Separate products: packed into one, the split that follows costs more than is won.
        gate_part = Part(f"{prefix}_gate", config.intermediate_size, 0, smooth.mlp)
        up_part = Part(f"{prefix}_up", config.intermediate_size, 0, smooth.mlp, smooth.down)
        gate = self._linear(f"{prefix}_gate", hidden, [gate_part])
        up = self._linear(f"{prefix}_up", hidden, [up_part])
        # x · sigmoid(alpha · x) with alpha 1 is SiLU, in one node.
        silu = self._writer.node("QuickGelu", [gate], [f"{prefix}_silu.out"], domain=MICROSOFT, alpha=1.0)
        gated = self._writer.node("Mul", [silu, up], [f"{prefix}_gated.out"])
        down_part = Part(f"{prefix}_down", config.hidden_size, 0, smooth.down)
        return self._linear(f"{prefix}_down", gated, [down_part], config.intermediate_size)

    def _head(self, hidden: str) -> None:
        """Add the logits of the positions in logits_rows, and the largest of each row in descending order."""
        config, writer = self._config, self._writer
        flat_shape = writer.initializer("flat_shape", np.array([-1, config.hidden_size], np.int64))
        flat = writer.node("Reshape", [hidden, flat_shape], ["flat.out"])
        rows = writer.node("Gather", [flat, "logits_rows"], ["logits_rows.out"], axis=0)
        self._logits(rows)
        num_top = writer.initializer("num_top", np.array([min(NUM_TOP_LOGITS, config.vocab_size)], np.int64))
        writer.node("TopK", ["logits", num_top], ["top_logits", "top_token_ids"], axis=-1)

    def _logits(self, rows: str) -> None:
        """Add the output "logits" of the hidden ``rows``."""
        if self._source.has_tensor("output.weight"):
            self._linear("logits", rows, [Part("output", self._config.vocab_size)], output="logits")
        else:  # tied: the same bytes in the file as the embedding's
            self._product("logits", rows, self._embedding, None, "logits")

    def _linear(self, name: str, x: str, parts: list[Part], columns: int = 0, *, output: str = "") -> str:
        """Multiply x by the stacked parts, ``columns`` wide (the hidden size by default), and add their biases."""
        matrix = self._weights.matrix(parts, columns or self._config.hidden_size)
        bias = self._weights.bias(parts)
        bias_name = None if bias is None else self._writer.initializer(f"{name}.bias", bias)
        return self._product(name, x, matrix, bias_name, output or f"{name}.out")

    def _product(self, name: str, x: str, matrix: QuantizedMatrix, bias: str | None, output: str) -> str:
        writer = self._writer
        if matrix.extra_columns:
            x = self._with_block_sums(x, matrix)
        inputs = [
            x,
            writer.initializer(f"{name}.codes", matrix.codes),
            writer.initializer(f"{name}.scales", matrix.scales),
            "" if matrix.zero_points is None else writer.initializer(f"{name}.zero_points", matrix.zero_points),
            "",  # g_idx
            bias or "",
        ]
        while not inputs[-1]:
            inputs.pop()
        at = {"K": matrix.columns, "N": matrix.rows, "bits": matrix.bits, "block_size": matrix.block_size}
        return writer.node("MatMulNBits", inputs, [output], domain=MICROSOFT, accuracy_level=_ACCURACY_LEVEL, **at)

    def _with_block_sums(self, x: str, matrix: QuantizedMatrix) -> str:
        """Append to x its sums over blocks of 32, which the extra columns of the "cat" scheme multiply."""
        if x not in self._block_sums:
            columns = matrix.columns - matrix.extra_columns
            position = np.arange(columns)
            summing = np.zeros((columns, matrix.extra_columns), np.float32)
            summing[position, position // GGML_BLOCK] = 1
            table = self._writer.initializer(f"{x}.summing", summing)
            sums = self._writer.node("MatMul", [x, table], [f"{x}.block_sums"])
            self._block_sums[x] = self._writer.node("Concat", [x, sums], [f"{x}.cat"], axis=-1)
        return self._block_sums[x]
