"""What the tables of models in docs/models.md have in common: a row's measured cells, and writing between the marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.convert.gguf_proof import Proof
from tests.fixtures.gguf_models.recordings import TOKEN_IDS

DOCUMENT = Path(__file__).parent.parent / "docs" / "models.md"
MARKS = {True: "=", False: "≠"}


def row(stated: Sequence[object], half: Proof, integers: Proof) -> str:
    """Return a row: what is stated of the model, then fp16's proof and int8's."""
    cells = [*map(str, stated), _proven(half), f"{_proven(integers)}, {MARKS[integers.in_company]}"]
    return f"| {' | '.join(cells)} |\n"


def _proven(proof: Proof) -> str:
    return f"{proof.kl:.1e}, {proof.num_best}/{len(TOKEN_IDS)}, {MARKS[proof.chunked]}"


def write_table(title: str, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Replace the table between the marks of ``title``, and print it."""
    begin, end = f"<!-- begin: {title} -->\n", f"<!-- end: {title} -->"
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    columns = [*columns, "fp16: KL, best, chunks", "int8: KL, best, chunks, company"]
    table = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n{''.join(rows)}"
    DOCUMENT.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8", newline="\n")
    print(table)
