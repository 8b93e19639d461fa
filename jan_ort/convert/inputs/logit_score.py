"""Qwen3-Reranker as sentence-transformers saves it: modules.json, a chat template for pairs, perhaps a LogitScore.

Source: cross_encoder/modules and base/modality.py of sentence-transformers 5.4 and later.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from jan_ort.convert.inputs.sentence_transformers import read_json, read_modules
from jan_ort.convert.inputs.yes_or_no import DOCUMENT, INSTRUCTION, PAGE, QUERY, SavedReranker
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import read_small_file

_TEMPLATE, _SETTINGS = "chat_template.jinja", "config_sentence_transformers.json"
_WORDS = [each for each in re.split(r"<\|\w+\|>\w*|\{\w+\}|\s+", PAGE.replace(INSTRUCTION, "")) if each]
_WAYS_OUT = (
    "use a GGUF file of the model; or, if Qwen3-Reranker's own question is right, its folder without modules.json and "
    "with 'Qwen3-Reranker' in its name"
)


def has_logit_score(folder: Path) -> bool:
    """Say whether a folder's model ranks by two tokens' logits, without reading what it says of them."""
    return any(folder.glob("*_LogitScore/config.json"))


def read_saved_reranker(folder: Path) -> SavedReranker:
    """Read a folder with modules.json. Raises: ConversionError for another question than Qwen3-Reranker's.

    A chat template is a program: that it has all words of that question, in their order, tells that it is the one.
    """
    modules = read_modules(folder, ("Transformer", "LogitScore"))
    if not _asks_as_its_page(_chat_template(folder)):
        raise ConversionError(
            f"{folder}: its chat template does not ask as Qwen3-Reranker does, and no other is followed; {_WAYS_OUT}"
        )
    path = next((folder / place / "config.json" for name, place in modules if name == "LogitScore"), None)
    return SavedReranker(PAGE.replace(INSTRUCTION, _instruction(folder)), None if path is None else _tokens(path))


def _chat_template(folder: Path) -> str:
    path, settings = folder / _TEMPLATE, folder / "tokenizer_config.json"
    try:
        if path.exists():
            return read_small_file(path).decode()
    except ValueError as error:
        raise ConversionError(f"{path} {error}; download it again") from error
    template = read_json(settings).get("chat_template") if settings.exists() else None
    return template if isinstance(template, str) else ""


def _asks_as_its_page(template: str) -> bool:
    text, at = template.replace("\\n", " ").replace("\\", ""), 0
    for word in _WORDS:
        if (at := text.find(word, at)) < 0:
            return False
        at += len(word)
    return True


def _instruction(folder: Path) -> str:
    """Return the prompt that is used where none is named: it is such a model's instruction."""
    path = folder / _SETTINGS
    stated = read_json(path) if path.exists() else {}
    name, prompts = stated.get("default_prompt_name"), stated.get("prompts")
    if name is None:
        return INSTRUCTION
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not isinstance(prompt, str) or QUERY in prompt or DOCUMENT in prompt:
        _refuse(path, "default_prompt_name", name, "expected the name of a text in 'prompts'")
    return prompt


def _tokens(path: Path) -> tuple[int, int]:
    stated = read_json(path)
    yes, no = (_token(path, stated, key) for key in ("true_token_id", "false_token_id"))
    return yes, no


def _token(path: Path, stated: dict[str, Any], key: str) -> int:
    value = stated.get(key)
    if type(value) is not int or not 0 <= value < 2**31:
        _refuse(path, key, value, f"expected a token id; {_WAYS_OUT}")
    return value


def _refuse(path: Path, key: str, value: object, why: str) -> NoReturn:
    raise ConversionError(f"{path}: {key} is {str(value)[:80]!r}: {why}")
