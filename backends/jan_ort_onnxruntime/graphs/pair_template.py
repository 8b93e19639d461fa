"""How a folder's tokenizer.json puts two texts together: which token ends the first one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jan_ort_backends.small_files import MAX_TOKENIZER_BYTES
from jan_ort_onnxruntime.graphs.onnx_folder import read_json


def read_separator(folder: Path) -> int | None:
    """Return the token behind which all have the second text's type; None if tokenizer.json gives one type to all.

    Source: BertProcessing and TemplateProcessing of tokenizers. Raises: ModelError.
    """
    processor = _object(read_json(folder / "tokenizer.json", {}, MAX_TOKENIZER_BYTES).get("post_processor"))
    listed = processor.get("processors")
    for each in map(_object, listed if isinstance(listed, list) else [processor]):
        if each.get("type") == "BertProcessing" and isinstance(mark := each.get("sep"), list) and len(mark) == 2:
            return mark[1] if type(mark[1]) is int else None
        if each.get("type") == "TemplateProcessing" and isinstance(pair := each.get("pair"), list):
            return _before_second(list(map(_object, pair)), _object(each.get("special_tokens")))
    return None


def _before_second(pair: list[dict[str, Any]], special: Mapping[str, Any]) -> int | None:
    """Return the last special token in front of the first piece of the second type."""
    last = None
    for piece in pair:
        mark = _object(piece.get("SpecialToken"))
        if _object(piece.get("Sequence")).get("type_id") == 1 or mark.get("type_id") == 1:
            ids = _object(special.get(str(last))).get("ids")
            return ids[-1] if isinstance(ids, list) and ids and type(ids[-1]) is int else None
        last = mark.get("id", last)
    return None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
