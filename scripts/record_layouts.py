"""Record tiny random models of seven architectures: their ONNX exports, and what torch computes with them.

Two environments, since optimum and the genai builder want different transformers. First, with ``pip install
torch==2.13.0 optimum-onnx[onnxruntime]==0.1.0 'transformers<4.58'``: the models, optimum's exports, golden logits:

    python scripts/record_layouts.py optimum WORK tests/fixtures/layouts

Then, with ``pip install torch==2.13.0 transformers==5.23.0 onnxruntime-genai==0.18.0 onnx-ir``, from the same weights:

    python scripts/record_layouts.py genai WORK tests/fixtures/layouts
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

VOCAB_SIZE = 300
CONTEXT_LENGTH = 128
NUM_STEPS = 12
PROMPT_LENGTHS = (5, 13, 23)
MIN_MARGIN = 0.001
"""The least distance from the first to the second logit on the golden paths: rounding must not change a token."""

DECODER = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": CONTEXT_LENGTH,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
    "tie_word_embeddings": False,
}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", DECODER),
    "qwen2": ("Qwen2Config", DECODER | {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}),
    "qwen3": ("Qwen3Config", DECODER),
    "gemma3": (
        "Gemma3TextConfig",
        DECODER
        | {
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
            "query_pre_attn_scalar": 16,
        },
    ),
    "phi3": (
        "Phi3Config",
        {key: value for key, value in DECODER.items() if key != "head_dim"}
        | {"num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": None}
        | {"original_max_position_embeddings": CONTEXT_LENGTH},
    ),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": VOCAB_SIZE,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": CONTEXT_LENGTH,
            "bos_token_id": 257,
            "eos_token_id": 257,
        },
    ),
    "mistral": ("MistralConfig", DECODER | {"sliding_window": None}),
}
GENAI = (
    "llama",
    "qwen2",
    "qwen3",
    "phi3",
    "mistral",
)  # the builder knows no gpt2, and gemma3 fails in it: no rope_type


def record_optimum(work: Path, target: Path) -> None:
    """Write every model to WORK, and its export with golden logits to TARGET."""
    target.mkdir(parents=True, exist_ok=True)
    write_tokenizer(target)
    for name in ARCHITECTURES:
        source, folder = work / name, target / name
        folder.mkdir(parents=True, exist_ok=True)
        model = random_model(name)
        model.save_pretrained(source)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(target / file, source / file)
        np.savez_compressed(folder / "golden.npz", **golden_paths(model))
        export(source, work / f"{name}-optimum", "text-generation-with-past")
        for file in ("model.onnx", "config.json", "generation_config.json"):
            shutil.copy(work / f"{name}-optimum" / file, folder / file)
        print(name, (folder / "model.onnx").stat().st_size)
    record_bert(work, target / "bert")


def random_model(name: str) -> Any:
    """Return a model with wide enough weights that its text does not degenerate, and no near-ties on its paths."""
    import transformers

    config_class, fields = ARCHITECTURES[name]
    config = getattr(transformers, config_class)(**fields)
    for seed in range(20):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(config).eval().float()
        with torch.no_grad():
            for key, weight in model.named_parameters():
                if weight.ndim == 2:
                    weight.normal_(0.0, 0.02 if name == "gemma3" and "embed" in key else 0.15)
                elif "bias" in key:
                    weight.normal_(0.0, 0.1)
        if smallest_margin(golden_paths(model)) > MIN_MARGIN:
            return model
    raise RuntimeError(f"{name}: every seed has a near-tie; raise the deviation of the weights")


def golden_paths(model: Any) -> dict[str, Any]:
    """Return prompts, greedy tokens and the logits they were taken from, computed without a cache."""
    paths: dict[str, Any] = {}
    for index, length in enumerate(PROMPT_LENGTHS):
        prompt = np.random.default_rng(index).integers(0, 256, length)
        token_ids = list(prompt)
        logits = []
        with torch.no_grad():
            for _ in range(NUM_STEPS):
                logits.append(model(torch.tensor([token_ids]), use_cache=False).logits[0, -1].numpy())
                token_ids.append(int(logits[-1].argmax()))
        paths |= {f"prompt_{index}": prompt, f"tokens_{index}": np.array(token_ids[length:]), f"logits_{index}": logits}
    return paths


def smallest_margin(paths: dict[str, Any]) -> float:
    """Return the least distance from the first to the second logit; also 0 if a path repeats one token throughout."""
    if any(len(set(paths[f"tokens_{index}"])) < 4 for index in range(len(PROMPT_LENGTHS))):
        return 0.0
    ordered = np.sort(np.concatenate([paths[f"logits_{index}"] for index in range(len(PROMPT_LENGTHS))]), axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).min())


def export(source: Path, target: Path, task: str) -> None:
    """Export with optimum, on the CPU and in float32."""
    from optimum.exporters.onnx import main_export

    main_export(str(source), str(target), task=task, device="cpu", do_validation=False, no_post_process=False)


def record_bert(work: Path, folder: Path) -> None:
    """Write a sentence-transformers folder's encoder, exported by optimum, with torch's pooled vectors."""
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.15,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(work / "bert")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder.parent / file, work / "bert" / file)
    export(work / "bert", work / "bert-optimum", "feature-extraction")
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("model.onnx", "config.json"):
        shutil.copy(work / "bert-optimum" / file, folder / file)
    golden: dict[str, Any] = {}
    for index, length in enumerate(PROMPT_LENGTHS):
        token_ids = np.random.default_rng(index).integers(0, 256, length)
        with torch.no_grad():
            hidden = model(torch.tensor(token_ids[None])).last_hidden_state[0].numpy()
        golden |= {f"token_ids_{index}": token_ids, f"hidden_{index}": hidden}
    np.savez_compressed(folder / "golden.npz", **golden)


def write_tokenizer(target: Path) -> None:
    """Write the byte-level tokenizer that all share: 256 bytes, two special tokens and some merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([__doc__ or ""], trainer)
    content = json.loads(tokenizer.to_str())
    vocabulary = sorted(content["model"]["vocab"], key=content["model"]["vocab"].get)
    vocabulary[256:256] = ["<s>", "</s>"]
    del vocabulary[VOCAB_SIZE:]
    kept = {token: index for index, token in enumerate(vocabulary)}
    content["model"]["vocab"] = kept
    content["model"]["merges"] = [pair for pair in content["model"]["merges"] if "".join(pair) in kept]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content["added_tokens"] = [
        {"id": index, "content": vocabulary[index], "special": True} | flags for index in (256, 257)
    ]
    (target / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": CONTEXT_LENGTH,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def record_genai(work: Path, target: Path) -> None:
    """Write genai's graphs of the models in WORK, float32 for the CPU, beside optimum's."""
    for name in GENAI:
        built, folder = work / f"{name}-genai", target / f"{name}-genai"
        shutil.rmtree(built, ignore_errors=True)
        places = ["-i", str(work / name), "-o", str(built), "-c", str(work / "cache")]
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-p", "fp32", "-e", "cpu"]
        subprocess.run([*builder, *places], check=True)
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("model.onnx", "model.onnx.data", "genai_config.json"):
            if (built / file).exists():
                shutil.copy(built / file, folder / file)
        print(name, [(path.name, path.stat().st_size) for path in folder.iterdir()])


def main(step: str, work: str, target: str) -> None:
    """Record one of the two steps."""
    warnings.simplefilter("ignore")
    {"optimum": record_optimum, "genai": record_genai}[step](Path(work), Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
