"""Measure the small GGUF files against llama.cpp's recorded logits, and write the table of docs/models.md.

Run: python -m scripts.gguf_model_table (in the test environment; JAN_ORT_LLAMA_CPP=1 asks llama.cpp itself)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.inputs.gguf_file import GgufFile
from tests.convert.gguf_proof import prove
from tests.fixtures.gguf_models import DENSE
from tests.fixtures.gguf_models.recordings import TOKEN_IDS

DOCUMENT = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- begin: gguf models -->\n", "<!-- end: gguf models -->"
HEAD = (
    "| file | architecture | window | fp16: KL, best, chunks | int8: KL, best, chunks, company |\n"
    "|---|---|---|---|---|\n"
)


def row(name: str) -> str:
    """Measure one file."""
    with tempfile.TemporaryDirectory() as folder:
        half, integers = prove(name, "fp16", Path(folder)), prove(name, "int8", Path(folder))
        source = GgufFile(Path(folder) / f"{name}.gguf")
        config = read_decoder_config(source, decoders()[DENSE[name].arch])
    marks = {True: "=", False: "≠"}
    return (
        f"| {name} | {DENSE[name].arch} | {max(config.windows) or '–'} "
        f"| {half.kl:.1e}, {half.num_best}/{len(TOKEN_IDS)}, {marks[half.chunked]} "
        f"| {integers.kl:.1e}, {integers.num_best}/{len(TOKEN_IDS)}, {marks[integers.chunked]}, "
        f"{marks[integers.in_company]} |\n"
    )


def main() -> None:
    """Replace the table between the marks."""
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    table = HEAD + "".join(row(name) for name in DENSE)
    DOCUMENT.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8", newline="\n")
    print(table)


if __name__ == "__main__":
    main()
