"""How a tokenizer puts two texts together, for models that read a pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from jan_ort.ground.model_errors import ConversionError


def has_token_types(tokenizer_config: dict[str, Any]) -> bool:
    """Say whether transformers gives a model the types of tokens: as the file says, else as the class does."""
    names = tokenizer_config.get("model_input_names")
    if isinstance(names, list):
        return "token_type_ids" in names
    return tokenizer_config.get("tokenizer_class") != "TokenizersBackend"


def pair_separator(tokenizer: dict[str, Any], path: Path) -> int | None:
    """Return the token behind which all have the second text's type; None: all tokens have one type.

    Raises: ConversionError for a tokenizer.json, which is ``path``, that marks no pairs or cannot be read.
    """
    try:
        marks = Tokenizer.from_str(json.dumps(tokenizer)).encode("", "")
    except Exception as error:  # the library raises the bare class
        raise ConversionError(f"{path} cannot be read ({str(error)[:200]}); download it again") from error
    if not marks.ids:
        raise ConversionError(f"{path} has no template for pairs of texts, which a model that scores them needs")
    if 1 not in marks.type_ids:
        return None
    return marks.ids[max(0, marks.type_ids.index(1) - 1)]
