"""Case and accents of texts, as the files beside tokenizer.json state them (hop 3).

Sources: BertTokenizer and MPNetTokenizer of transformers, whose settings go before tokenizer.json's; the Transformer
module of sentence-transformers.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, normalizers

from jan_ort.models.folder_files import FolderFiles

_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""Keys of tokenizer_config.json, and what the library's BertNormalizer calls them."""

_FILE_ALONE = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""The classes of tokenizers that take tokenizer.json as it is."""


def follow_stated_case(tokenizer: Tokenizer, folder: Path) -> None:
    """Change the normalizer, in place, to what the folder's other files state. Raises: ModelFolderError."""
    files = FolderFiles(folder)
    normalizer, stated = tokenizer.normalizer, files.tokenizer_config
    if isinstance(normalizer, normalizers.BertNormalizer) and stated.get("tokenizer_class") not in _FILE_ALONE:
        for key, setting in _SETTINGS.items():
            if isinstance(value := stated.get(key), bool):
                setattr(normalizer, setting, value)
    if files.sentence_transformer.get("do_lower_case") is True:
        steps = [normalizers.Lowercase(), *([normalizer] if normalizer is not None else [])]
        tokenizer.normalizer = normalizers.Sequence(steps)
