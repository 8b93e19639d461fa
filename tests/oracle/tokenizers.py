"""Print, as a table, on how many texts each tokenizer of a GGUF file has llama.cpp's ids.

Run: python -m tests.oracle.tokenizers [FILE.gguf …]

Files given as arguments are compared, too. Needs llama-cpp-python (tox -e oracle).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.tokenizers.splitting import SPLITTINGS, Splitting
from tests.convert.tokenizers.recorded import texts, with_keys
from tests.oracle.llama_cpp_vocabulary import LlamaCppVocabulary
from tests.oracle.vocabularies import own_texts, vocabularies

RENAMED, RENAMED_CHARACTERS = "qwen2", "gemma-4"
"""The vocabularies that are given each name of tokenizer.ggml.pre."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of the texts have other ids than llama.cpp gives them, and what else differs."""

    num_texts: int
    differing: list[str]
    others: list[str]


def all_texts() -> tuple[str, ...]:
    """Return the recorded texts and llama.cpp's own."""
    return tuple(dict.fromkeys([*texts(), *own_texts()]))


def compare(path: Path, keys: Mapping[str, str | int | bool] = {}) -> Comparison:
    """Compare the ids of every text, alone and with what stands around a text, and the ends of a generation."""
    with tempfile.TemporaryDirectory() as folder:
        changed = with_keys(path, Path(folder) / "changed.gguf", keys) if keys else path
        ours, theirs = GgufTokenizer(GgufFile(changed)), LlamaCppVocabulary(changed)
    tokenizer = ours.build()
    differing = [
        text for text in all_texts() if tokenizer.encode(text, add_special_tokens=False).ids != theirs.encode(text)
    ]
    stated, special = theirs.described(), ours.vocabulary.special
    found = {"ends": sorted(special.end_ids), "of_nothing": tokenizer.encode("").ids, "adds_bos": special.add_bos}
    return Comparison(len(all_texts()), differing, [key for key, value in found.items() if stated[key] != value])


def renamed(pre: str) -> tuple[Path, dict[str, str | int | bool]]:
    """Return a vocabulary and the keys that give it the name."""
    name = RENAMED_CHARACTERS if SPLITTINGS[pre].is_spelled else RENAMED
    return vocabularies()[name], {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre}


def names_alike() -> list[list[str]]:
    """Return the names of tokenizer.ggml.pre, those together that split a text alike."""
    names: dict[Splitting, list[str]] = {}
    for pre, splitting in SPLITTINGS.items():
        names.setdefault(splitting, []).append(pre)
    return list(names.values())


def rows(files: list[Path]) -> Iterator[tuple[str, str, Comparison]]:
    """Yield what is compared, on which vocabulary, and the result."""
    for name, path in [*vocabularies().items(), *((path.stem, path) for path in files)]:
        source = GgufFile(path)
        yield source.string("tokenizer.ggml.model"), name, compare(path)
    for alike in names_alike():
        path, keys = renamed(alike[0])
        yield "gpt2: " + ", ".join(alike), path.stem.removeprefix("ggml-vocab-"), compare(path, keys)


def main() -> None:
    """Print the table, and which texts differ on the other stream."""
    print("| tokenizer | vocabulary | texts equal |\n|---|---|---|")
    for what, vocabulary, result in rows([Path(each) for each in sys.argv[1:]]):
        other = f", but {', '.join(result.others)}" if result.others else ""
        num_equal = result.num_texts - len(result.differing)
        print(f"| {what} | {vocabulary} | {num_equal} of {result.num_texts}{other} |", flush=True)
        for text in result.differing:
            print(f"{vocabulary}: {text!a}", file=sys.stderr)


if __name__ == "__main__":
    main()
