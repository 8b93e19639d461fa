"""What a tokenizer.json may be: whatever would make any text long, or any text slow, is refused when it is opened."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.models.folder_files import MAX_TOKENS, how_to_mend
from jan_ort.models.tokenizer_growth import components, growth
from jan_ort_backends.small_files import MAX_TOKENIZER_BYTES, check_small_file

MAX_COMPONENTS = 256
MAX_TEXT = 256
"""Characters of a text that a component puts in, as "▁" or "##"."""

MAX_PATTERN = 10_000
MAX_WORD = 10_000
"""Characters of a word that WordPiece tries to cut, in time that grows with their square; models have 100."""

MAX_MARKS = 256
"""Special tokens around a text."""

MAX_GROWTH = 2.0**16
"""Times that a text may become longer; what has no more than 32 is never looked at."""

_SECTIONS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_NOT_PUT_IN = frozenset({"type", "Regex", "String", "precompiled_charsmap"})
_SLOW_S = 0.005
_PROBE_LENGTHS = (16, 32, 64, 128, 256)
_PROBED = "aB1 \n-'\u00e9\u4e2d\u0301"
_MAX_PROBED = 24


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json and check it; what it says of cutting and padding texts is left out.

    Raises: ModelFolderError.
    """
    try:
        check_small_file(path, MAX_TOKENIZER_BYTES)
        tokenizer = Tokenizer.from_file(str(path))
    except BaseException as error:
        if not is_of_the_library(error):
            raise
        raise ModelFolderError(
            f"{path} cannot be read as a tokenizer ({str(error)[:500]}); {how_to_mend(path.parent)}"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()  # before anything is tokenized: one text may become gigabytes
    with _naming(path):
        _check(tokenizer)
    return tokenizer


def check_ids(path: Path, largest: int) -> None:
    """Refuse ids that no table can be made for. Raises: ModelFolderError."""
    with _naming(path):
        if largest >= MAX_TOKENS:
            raise ValueError(f"it has a token of the id {largest}; ids below {MAX_TOKENS} are allowed")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ModelFolderError(f"{path}: {error}; use another model, or mend the file") from error


def is_of_the_library(error: BaseException) -> bool:
    """Whether an error is one of the tokenizers library: it raises the bare class, and panics."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def growth_of(tokenizer: Tokenizer) -> float:
    """Return how many times longer a text may become."""
    return growth(_described(tokenizer, "normalizer")) * growth(_described(tokenizer, "pre_tokenizer"))


def _described(tokenizer: Tokenizer, section: str) -> Any:
    part = getattr(tokenizer, section)
    return json.loads(part.__getstate__()) if part is not None else {}


def _check(tokenizer: Tokenizer) -> None:
    """Raise ValueError naming the part and its number."""
    patterns: list[str] = []
    for section in _SECTIONS:
        described = _described(tokenizer, section)
        patterns += _check_section(section, described)
    for section in ("normalizer", "pre_tokenizer", "decoder"):
        if (factor := growth(_described(tokenizer, section))) > MAX_GROWTH:
            raise ValueError(f"its {section} may make a text {factor:.0f} times as long; {MAX_GROWTH:.0f} is the limit")
    _check_model(tokenizer)
    if (marks := tokenizer.num_special_tokens_to_add(False)) > MAX_MARKS:
        raise ValueError(f"its post_processor puts {marks} tokens around a text; at most {MAX_MARKS} are allowed")
    if patterns:
        _check_speed(tokenizer, patterns)


def _check_section(section: str, described: Any) -> Iterator[str]:
    """Check the size of each component, and return the regular expressions."""
    parts = list(components(described))
    if len(parts) > MAX_COMPONENTS:
        raise ValueError(f"its {section} has {len(parts)} components; at most {MAX_COMPONENTS} are allowed")
    for name, text in _texts(described):
        limit = MAX_PATTERN if name in ("Regex", "String") else MAX_TEXT
        if name != "precompiled_charsmap" and len(text) > limit:
            raise ValueError(f"{name!r} in its {section} has {len(text)} characters; at most {limit} are allowed")
    return (text for name, text in _texts(described) if name == "Regex")


def _texts(described: Any) -> Iterator[tuple[str, str]]:
    pending = [("", described)]
    while pending:
        name, each = pending.pop()
        if isinstance(each, str):
            yield name, each
        elif isinstance(each, dict):
            pending.extend(each.items())
        elif isinstance(each, list):
            pending.extend((name, item) for item in each)


def _check_model(tokenizer: Tokenizer) -> None:
    model = tokenizer.model
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token"):
        text = getattr(model, name, None)
        if isinstance(text, str) and len(text) > MAX_TEXT:
            raise ValueError(f"{name!r} of its model has {len(text)} characters; at most {MAX_TEXT} are allowed")
    longest = getattr(model, "max_input_chars_per_word", 0)
    if isinstance(longest, int) and longest > MAX_WORD:
        raise ValueError(f"'max_input_chars_per_word' of its model is {longest}; at most {MAX_WORD} are allowed")


def _check_speed(tokenizer: Tokenizer, patterns: list[str]) -> None:
    """Try texts that make a regular expression go back and forth: one character again and again, then another.

    Each is twice as long as the one before, so that what grows without bounds is found while it is still fast; the
    library gives a match up after ten million steps. Raises: ValueError.
    """
    literals = dict.fromkeys(_PROBED + "".join(re.findall(r"\w", "".join(patterns))))
    rest = "\x00" + "".join(literals)  # what must follow is there, but not next: else no match would be tried
    for character in list(literals)[:_MAX_PROBED]:
        for length in _PROBE_LENGTHS:
            text = character * length + rest
            # Twice before it counts: the first time may fill a cache.
            if _cpu_s(tokenizer, text) > _SLOW_S and (spent := _cpu_s(tokenizer, text)) > _SLOW_S:
                raise ValueError(f"a regular expression of it explodes: {spent:.2f} s for {length} times {character!r}")


def _cpu_s(tokenizer: Tokenizer, text: str) -> float:
    """Return the processor time that a text takes before the model. Raises: ValueError where an expression fails."""
    begun = time.thread_time()
    try:
        normalized = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer is not None else text
        if tokenizer.pre_tokenizer is not None:
            tokenizer.pre_tokenizer.pre_tokenize_str(normalized)
    except BaseException as error:
        if not is_of_the_library(error):
            raise
        if not isinstance(error, Exception):
            raise ValueError(f"it fails on {len(text)} times {text[:1]!r} ({str(error)[:200]})") from error
        # A text of unknown tokens: other texts have known ones.
    return time.thread_time() - begun
