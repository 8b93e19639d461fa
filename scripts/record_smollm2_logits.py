"""Record what float32 SmolLM2 thinks of a text: tests/fixtures/smollm2/reference_logits.npz.

The GGUF's tensors are dequantised by the gguf package (not by our code), put into transformers' LlamaForCausalLM and
run by torch in windows of 512 tokens. Too large to keep whole, the distributions are cut to the ``--keep`` most
likely (position, token) pairs of all, which leaves many tokens where the model is undecided and few where it is sure.
A position's other tokens become one bucket, so a KL divergence computed from the fixture is a lower bound of the true
one; both are computed here for the converted folders and recorded, so that the gap is known.

Needs an environment of its own: pip install torch==2.13.0 "transformers>=5,<6" gguf tokenizers onnxruntime
Run: python scripts/record_smollm2_logits.py SmolLM2-135M-Instruct.Q4_1.gguf INT8_FOLDER [INT4_FOLDER]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
import torch
import transformers
from gguf import GGUFReader, dequantize

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "smollm2"
WINDOW = 512
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def main():
    """Write the fixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--keep", type=int, default=1_550_000)
    options = parser.parse_args()
    tokenizer = tokenizers.Tokenizer.from_file(str(options.folders[0] / "tokenizer.json"))
    text = (FIXTURES / "reference_text.txt").read_text(encoding="utf-8")
    token_ids = np.array(tokenizer.encode(text).ids)
    windows = [token_ids[start : start + WINDOW] for start in range(0, len(token_ids), WINDOW)]
    model = load(options.gguf)
    with torch.no_grad():
        reference = [model(torch.tensor(ids)[None]).logits[0].log_softmax(-1).numpy() for ids in windows]
    lowest = threshold(reference, options.keep)
    kept = [log_probs >= lowest for log_probs in reference]  # masks (positions, vocab_size)
    measured = {folder.name: measure(folder, windows, reference, kept) for folder in options.folders}
    losses = [-log_probs[np.arange(len(ids) - 1), ids[1:]] for log_probs, ids in zip(reference, windows, strict=True)]
    metadata = {
        "source": options.gguf.name,
        "made_by": "scripts/record_smollm2_logits.py",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "window": WINDOW,
        "perplexity": float(np.exp(np.concatenate(losses).mean())),
        "measured": measured,
    }
    np.savez_compressed(
        FIXTURES / "reference_logits.npz",
        token_ids=token_ids.astype(np.uint16),
        counts=np.concatenate([mask.sum(-1) for mask in kept]).astype(np.uint16),
        # As differences, modulo 2**16, they take half the space; np.cumsum(…, dtype=np.uint16) undoes it.
        kept_token_id_steps=np.diff(np.concatenate([np.nonzero(mask)[1] for mask in kept]), prepend=0).astype(
            np.uint16
        ),
        kept_log_probs=np.concatenate([values[mask] for values, mask in zip(reference, kept, strict=True)]).astype(
            "f2"
        ),
        losses=np.concatenate(losses).astype(np.float32),
        metadata=np.array(json.dumps(metadata)),
    )
    print(json.dumps(metadata, indent=2))


def load(path):
    """Return LlamaForCausalLM in float32 with the weights of the GGUF."""
    reader = GGUFReader(path)
    field = {key: value.contents() for key, value in reader.fields.items()}
    heads, kv_heads = field["llama.attention.head_count"], field["llama.attention.head_count_kv"]
    config = transformers.LlamaConfig(
        vocab_size=field["llama.vocab_size"],
        hidden_size=field["llama.embedding_length"],
        intermediate_size=field["llama.feed_forward_length"],
        num_hidden_layers=field["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=field["llama.context_length"],
        rms_norm_eps=field["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": field["llama.rope.freq_base"]},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).eval()
    state = {}
    for tensor in reader.tensors:
        shape = tuple(int(n) for n in reversed(tensor.shape))
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            count = heads if ".attn_q." in tensor.name else kv_heads
            values = values.reshape(count, -1, 2, shape[1]).transpose(0, 2, 1, 3).reshape(shape)
        state[hugging_face_name(tensor.name)] = torch.from_numpy(values.copy())
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model


def hugging_face_name(name):
    """Translate a GGUF tensor's name."""
    if name.startswith("blk."):
        _, layer, part, kind = name.split(".")
        return f"model.layers.{layer}.{NAMES[part]}.{kind}"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]


def threshold(reference, keep):
    """Return the log-probability that ``keep`` pairs reach, from a histogram."""
    edges = np.linspace(-20, 0, 4001)
    counts = sum(np.histogram(log_probs, edges)[0] for log_probs in reference)
    return edges[:-1][counts[::-1].cumsum()[::-1] <= keep][0]


def measure(folder, windows, reference, kept):
    """Return the true mean KL(reference || folder), the one of the cut distributions, and the perplexity."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    true, bucketed, losses = [], [], []
    for ids, log_probs, mask in zip(windows, reference, kept, strict=True):
        ours = torch.from_numpy(run(session, ids)).double().log_softmax(-1).numpy()
        true.append((np.exp(log_probs) * (log_probs - ours)).sum(-1))
        bucketed.append(bucketed_kl(log_probs.astype(np.float16).astype(np.float64), ours, mask))
        losses.append(-ours[np.arange(len(ids) - 1), ids[1:]])
    return {
        "true_mean_kl": float(np.concatenate(true).mean()),
        "bucketed_mean_kl": float(np.concatenate(bucketed).mean()),
        "p99_kl": float(np.quantile(np.concatenate(true), 0.99)),
        "perplexity": float(np.exp(np.concatenate(losses).mean())),
    }


def bucketed_kl(reference, ours, mask):
    """Return KL per row from log-probabilities ``(rows, vocab_size)``, all tokens outside the mask being one bucket."""
    rest = np.clip(1 - np.where(mask, np.exp(reference), 0).sum(-1), 1e-9, None)
    ours_rest = np.clip(1 - np.where(mask, np.exp(ours), 0).sum(-1), 1e-9, None)
    return np.where(mask, np.exp(reference) * (reference - ours), 0).sum(-1) + rest * np.log(rest / ours_rest)


def run(session, ids):
    """Return the logits of all positions."""
    feeds = {
        "input_ids": ids[None].astype(np.int64),
        "seqlens_k": np.array([len(ids) - 1], np.int32),
        "total_sequence_length": np.array([len(ids)], np.int32),
        "logits_rows": np.arange(len(ids)),
    }
    for value in session.get_inputs():
        if value.name.startswith("past"):
            feeds[value.name] = np.zeros((1, value.shape[1], len(ids), value.shape[3]), np.float32)
    return session.run(["logits"], feeds)[0]


if __name__ == "__main__":
    main()
