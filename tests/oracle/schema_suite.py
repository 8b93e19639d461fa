"""Print how much of the JSON Schema Test Suite is compiled, and whether an invalid instance is accepted.

Run: python -m tests.oracle.schema_suite

The suite is that of jsonschema's source distribution, which pip fetches; JAN_ORT_TEST_SCHEMA_SUITE names a folder that
has it already (the one with ``draft2020-12`` in it).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, permutations, product
from pathlib import Path
from typing import Any

from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.vocabulary import GrammarVocabulary
from jan_ort_backends import reference_tokenizer as reference
from tests.structured.walking import Model, read

RELEASE = "jsonschema==4.26.0"
PARTS = {"required": "*.json", "optional": "optional/*.json", "formats": "optional/format/*.json"}
_MAX_ORDERS = 24


@dataclass
class Result:
    """What became of one part's schemas; ``invalid`` are instances that were accepted and must not be."""

    num_schemas: int = 0
    num_compiled: int = 0
    num_valid: int = 0
    num_accepted: int = 0
    invalid: list[str] = field(default_factory=list)

    @property
    def compiled(self) -> float:
        """The share of the schemas that are compiled."""
        return self.num_compiled / self.num_schemas


@cache
def suite() -> Path:
    """Return the folder of the draft's tests."""
    given = os.environ.get("JAN_ORT_TEST_SCHEMA_SUITE")
    if given:
        return Path(given) / "draft2020-12"
    work = Path(tempfile.mkdtemp(prefix="schema-suite-"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        "jsonschema",
        "-d",
        str(work),
        RELEASE,
    ]
    subprocess.run(pip, check=True)
    (archive,) = work.glob("jsonschema-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(work, filter="data")
    return next(work.glob("jsonschema-*/json/tests/draft2020-12"))


def cases(part: str) -> Iterator[dict[str, Any]]:
    """Yield each schema of a part, with its tests."""
    for path in sorted(suite().glob(PARTS[part])):
        yield from ({**case, "file": path.name} for case in json.loads(path.read_text(encoding="utf-8")))


@cache
def model() -> Model:
    """Return the compiler for the reference model, whose tokens are mostly bytes."""
    tokenizer = TextTokenizer(reference.FOLDER / "tokenizer.json")
    eos = (reference.BOS_TOKEN_ID, reference.EOS_TOKEN_ID)
    return Model(tokenizer, GrammarCompiler(GrammarVocabulary(tokenizer, eos, reference.VOCAB_SIZE)), eos)


def judge(part: str) -> Result:
    """Compile every schema of a part, and offer it every instance in many spellings."""
    result = Result()
    for case in cases(part):
        result.num_schemas += 1
        try:
            grammar = model().compiler.json_schema(case["schema"])
        except SchemaError:
            continue
        result.num_compiled += 1
        for test in case["tests"]:
            is_accepted = any(_accepts(grammar, text) for text in spellings(test["data"]))
            result.num_valid += test["valid"]
            result.num_accepted += test["valid"] and is_accepted
            if is_accepted and not test["valid"]:
                result.invalid.append(f"{case['file']}: {case['description']}: {test['description']}")
    return result


def spellings(value: Any) -> Iterator[str]:
    """Yield JSON texts of a value: with and without spaces and escapes, its names in many orders."""
    for ordered in _orders(value, _MAX_ORDERS):
        for separators in ((",", ":"), (", ", ": ")):
            yield json.dumps(ordered, separators=separators)
            yield json.dumps(ordered, separators=separators, ensure_ascii=False)


def _orders(value: Any, most: int) -> Iterator[Any]:
    if isinstance(value, dict):
        inner = {name: list(_orders(each, 4)) for name, each in value.items()}
        found: Iterator[Any] = (
            dict(zip(names, values, strict=True))
            for names in permutations(value)
            for values in product(*(inner[name] for name in names))
        )
    elif isinstance(value, list):
        found = (list(values) for values in product(*(list(_orders(each, 4)) for each in value)))
    else:
        found = iter((value,))
    return islice(found, most)


def _accepts(grammar: CompiledGrammar, text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False  # half a pair, which no token spells
    constraint = grammar.start()
    return read(model(), constraint, text) and constraint.is_accepting()


def main() -> None:
    """Print a line for each part."""
    for part in PARTS:
        result = judge(part)
        print(
            f"{part}: {result.num_compiled} of {result.num_schemas} schemas compiled ({result.compiled:.1%}), "
            f"{result.num_accepted} of their {result.num_valid} valid instances and {len(result.invalid)} invalid "
            "ones accepted"
        )
        for each in result.invalid:
            print(f"  accepted: {each}")


if __name__ == "__main__":
    main()
