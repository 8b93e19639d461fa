"""What a model folder takes from a GGUF file beside the weights: tokenizer, chat template and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jan_ort.convert.description import write_json
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer


def write_chat_template(target: Path, model: GgufFile) -> bool:
    """Write the file's chat template; return whether it has one."""
    if "tokenizer.chat_template" not in model:
        return False
    template = model.string("tokenizer.chat_template")
    (target / "chat_template.jinja").write_text(template, encoding="utf-8", newline="")
    return True


def write_configs(target: Path, tokenizer: GgufTokenizer, config: Mapping[str, Any]) -> None:
    """Write the tokenizer's configuration, ``config`` with the special tokens, and how generation ends."""
    special = tokenizer.vocabulary.special
    write_json(target / "tokenizer_config.json", tokenizer.vocabulary.to_json(config["max_position_embeddings"]))
    write_json(target / "config.json", {**config, "bos_token_id": special.bos, "eos_token_id": special.eos})
    write_json(target / "generation_config.json", {"bos_token_id": special.bos, "eos_token_id": special.end_ids})
