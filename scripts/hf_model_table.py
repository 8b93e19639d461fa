"""Measure the small checkpoints against the recorded logits of transformers, and write their table in docs/models.md.

Run: python -m scripts.hf_model_table (in the test environment; JAN_ORT_TRANSFORMERS=1 asks transformers itself)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jan_ort.convert.architectures import hf_layouts
from tests.convert.hf_proof import prove
from tests.fixtures.gguf_models.recordings import TOKEN_IDS
from tests.fixtures.hf_models import CONFIGURATIONS

DOCUMENT = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- begin: checkpoints -->\n", "<!-- end: checkpoints -->"
HEAD = (
    "| checkpoint | model_type | recipe | fp16: KL, best, chunks | int8: KL, best, chunks, company |\n"
    "|---|---|---|---|---|\n"
)


def row(name: str) -> str:
    """Measure one checkpoint."""
    with tempfile.TemporaryDirectory() as half_folder, tempfile.TemporaryDirectory() as folder:
        half, integers = prove(name, "fp16", Path(half_folder)), prove(name, "int8", Path(folder))
    marks = {True: "=", False: "≠"}
    model_type = CONFIGURATIONS[name]["model_type"]
    return (
        f"| {name} | {model_type} | {hf_layouts()[model_type].decoder.name} "
        f"| {half.kl:.1e}, {half.num_best}/{len(TOKEN_IDS)}, {marks[half.chunked]} "
        f"| {integers.kl:.1e}, {integers.num_best}/{len(TOKEN_IDS)}, {marks[integers.chunked]}, "
        f"{marks[integers.in_company]} |\n"
    )


def main() -> None:
    """Replace the table between the marks."""
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    table = HEAD + "".join(row(name) for name in CONFIGURATIONS)
    DOCUMENT.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8", newline="\n")
    print(table)


if __name__ == "__main__":
    main()
