"""A llama of two layers and random weights as a GGUF file: large enough to have real logits, opened in milliseconds."""

from pathlib import Path

import gguf
import numpy as np

VOCAB_SIZE = 300
HIDDEN_SIZE = 64
NUM_LAYERS = 2
NUM_HEADS = 4
NUM_KEY_VALUE_HEADS = 2
HEAD_DIM = 16
INTERMEDIATE_SIZE = 128
CONTEXT_LENGTH = 128


def write_tiny_llama(path: Path, *, seed: int = 7) -> Path:
    """Write the file; the weights' standard deviation is chosen so that the logits are neither flat nor one-hot."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny llama")
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(HIDDEN_SIZE)
    writer.add_block_count(NUM_LAYERS)
    writer.add_feed_forward_length(INTERMEDIATE_SIZE)
    writer.add_head_count(NUM_HEADS)
    writer.add_head_count_kv(NUM_KEY_VALUE_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(10_000.0)
    _add_tokenizer(writer)
    _add_tensors(writer, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    tokens = [chr(byte if byte in printable else next(spare)) for byte in range(256)]
    tokens += ["he", *(f"<unused{index}>" for index in range(VOCAB_SIZE - 259)), "<bos>", "<eos>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * (VOCAB_SIZE - 257))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(VOCAB_SIZE - 2)
    writer.add_eos_token_id(VOCAB_SIZE - 1)


def _add_tensors(writer: gguf.GGUFWriter, random: np.random.Generator) -> None:
    def matrix(name: str, rows: int, columns: int) -> None:
        weights = random.normal(0.0, 0.15, (rows, columns)).astype(np.float32)
        packed = gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def norm(name: str) -> None:
        writer.add_tensor(name, np.ones(HIDDEN_SIZE, np.float32))

    matrix("token_embd.weight", VOCAB_SIZE, HIDDEN_SIZE)
    norm("output_norm.weight")
    for layer in range(NUM_LAYERS):
        prefix = f"blk.{layer}"
        norm(f"{prefix}.attn_norm.weight")
        norm(f"{prefix}.ffn_norm.weight")
        matrix(f"{prefix}.attn_q.weight", NUM_HEADS * HEAD_DIM, HIDDEN_SIZE)
        matrix(f"{prefix}.attn_k.weight", NUM_KEY_VALUE_HEADS * HEAD_DIM, HIDDEN_SIZE)
        matrix(f"{prefix}.attn_v.weight", NUM_KEY_VALUE_HEADS * HEAD_DIM, HIDDEN_SIZE)
        matrix(f"{prefix}.attn_output.weight", HIDDEN_SIZE, NUM_HEADS * HEAD_DIM)
        matrix(f"{prefix}.ffn_gate.weight", INTERMEDIATE_SIZE, HIDDEN_SIZE)
        matrix(f"{prefix}.ffn_up.weight", INTERMEDIATE_SIZE, HIDDEN_SIZE)
        matrix(f"{prefix}.ffn_down.weight", HIDDEN_SIZE, INTERMEDIATE_SIZE)
