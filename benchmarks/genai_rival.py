"""What runs in onnxruntime-genai's own environment: its view of the weights, and its measurements, one per line.

``folder GGUF MODEL TARGET`` writes a Hugging Face folder of the GGUF's weights, with the tokenizer of MODEL, for its
model builder. ``measure TARGET NUM_THREADS`` reads one JSON object per line and answers each with one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def write_folder(gguf_path: Path, model: Path, target: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer; everything that the graph depends on is the GGUF's."""
    from gguf import GGUFReader, dequantize
    from safetensors.numpy import save_file

    reader = GGUFReader(gguf_path)
    metadata = {key: field.contents() for key, field in reader.fields.items()}
    config = read_config(metadata)
    num_heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    weights = {}
    for tensor in reader.tensors:
        *layer, part, _ = tensor.name.split(".")
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if part in num_heads:  # llama.cpp interleaves the two halves of a rotary head
            values = values.reshape(num_heads[part], -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        name = ".".join(["model", *(["layers", layer[1]] if layer else []), NAMES[part], "weight"])
        weights[name] = np.ascontiguousarray(values)
    target.mkdir(parents=True, exist_ok=True)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        shutil.copy(model / file, target / file)


def read_config(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return config.json of a llama model with tied embeddings."""
    rope_theta = metadata["llama.rope.freq_base"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "dtype": "float32",
        "tie_word_embeddings": True,
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rms_norm_eps": metadata["llama.attention.layer_norm_rms_epsilon"],
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        # Where transformers 5 and 4 look for it; without one they take 10,000, and the export is wrong silently.
        "rope_parameters": {"rope_type": "default", "rope_theta": rope_theta},
        "rope_theta": rope_theta,
    }


class Rival:
    """onnxruntime-genai with an exported folder. Its search runs in C++, its KV cache has the asked length."""

    def __init__(self, folder: Path, num_threads: int, spinning: str | None) -> None:
        self._genai: Any = import_module("onnxruntime_genai")  # exists in its own environment only
        config = self._genai.Config(str(folder))
        session_options: dict[str, Any] = {"intra_op_num_threads": num_threads}
        if spinning is not None:
            session_options["session.intra_op.allow_spinning"] = "1" if spinning == "on" else "0"
        config.overlay(json.dumps({"model": {"decoder": {"session_options": session_options}}}))
        self._model = self._genai.Model(config)

    def _prefill(self, prompts: NDArray[np.int32], max_length: int) -> Any:
        parameters = self._genai.GeneratorParams(self._model)
        # With min_length the end token is masked: every sequence runs to the end, as ours does.
        parameters.set_search_options(
            batch_size=len(prompts), do_sample=False, max_length=max_length, min_length=max_length
        )
        generator = self._genai.Generator(self._model, parameters)
        generator.append_tokens(prompts)
        return generator

    def decode(self, prompts: list[list[int]], num_tokens: int) -> dict[str, Any]:
        """Return the seconds of ``num_tokens`` greedy decode steps of all ``prompts``, which are equally long."""
        generator = self._prefill(np.array(prompts, np.int32), len(prompts[0]) + num_tokens + 1)
        generator.generate_next_token()  # draws from the prompt's logits: no step of the model yet
        started = time.perf_counter()
        for _ in range(num_tokens):
            generator.generate_next_token()
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "token_ids": generator.get_sequence(0)[len(prompts[0]) :].tolist()}

    def logits(self, token_ids: list[int], path: str) -> dict[str, Any]:
        """Save the logits of all positions to ``path``: float32 ``(len(token_ids), vocab_size)``."""
        generator = self._prefill(np.array([token_ids], np.int32), len(token_ids) + 1)
        np.save(path, np.asarray(generator.get_output("logits"), np.float32)[0])
        return {"path": path}

    def versions(self) -> dict[str, Any]:
        """Return the versions of onnxruntime-genai and of the ONNX Runtime under it."""
        return {name: version(name) for name in ("onnxruntime-genai", "onnxruntime")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    folder = commands.add_parser("folder")
    for name in ("gguf", "model", "target"):
        folder.add_argument(name, type=Path)
    measure = commands.add_parser("measure")
    measure.add_argument("target", type=Path)
    measure.add_argument("num_threads", type=int)
    measure.add_argument("--spinning", choices=["on", "off"])
    options = parser.parse_args()
    if options.command == "folder":
        write_folder(options.gguf, options.model, options.target)
        return
    rival = Rival(options.target, options.num_threads, options.spinning)
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(getattr(rival, question.pop("ask"))(**question)), flush=True)


if __name__ == "__main__":
    main()
