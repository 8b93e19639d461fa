"""How few tokens a long text can be, by what the parts of its tokenizer say, so that it need not be read (hop 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers

from jan_ort.models.byte_alphabet import byte_alphabet
from jan_ort.models.tokenizer_growth import components

PIECE = 16_384
"""Characters of a piece at the least, where a text may be tokenized in pieces; of a longer one it looks for an end."""

_COMPOSED = 4
"""Characters that canonical composition makes one of at most (Unicode's UAX 15, table 1): no other is deleted."""

_NORMALIZERS = {
    **dict.fromkeys(("Sequence", "Lowercase", "Prepend", "NFD", "NFKD", "ByteLevel"), 1),
    **dict.fromkeys(("NFC", "NFKC"), _COMPOSED),
}
"""Characters that become one at most. Those that are not here may delete any number."""

_PRE_TOKENIZERS = frozenset({"Sequence", "ByteLevel", "Metaspace", "Digits"})
_SPLITTERS = frozenset({"Split", "Punctuation"})  # which keep what they split at, but for the behavior "Removed"

_WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_MANY = 10

_SPACE = r"(?<=\S) (?=\S)"
_CUTS = {"BertPreTokenizer": rf"{_SPACE}|(?<=.)(?=[,.;:!?])", "Whitespace": _SPACE, "WhitespaceSplit": _SPACE}
"""Where a text may be cut into pieces that have, together, the tokens of the whole."""

_PLACES = " ,.;:!?"

_LOCAL = frozenset({"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Sequence"})
"""Normalizers that look at nothing across such a cut."""


class TokenBounds:
    """What is known of the number of tokens of a text before it is tokenized; ``vocab`` is with added tokens."""

    def __init__(self, tokenizer: Tokenizer, vocab: Mapping[str, int], added: Sequence[AddedToken]) -> None:
        self._added = added
        self._tokenizer = tokenizer
        normalizer, pre_tokenizer = _described(tokenizer.normalizer), _described(tokenizer.pre_tokenizer)
        self._chars_per_token: int | None = None
        self._vanishing = ""
        vanishing, shrinking = _vanishing(tokenizer, vocab), _shrinking(normalizer)
        if vanishing is not None and shrinking is not None and _keeps_all(pre_tokenizer):
            takes_spaces = any(each.lstrip or each.rstrip for each in self._added)
            self._vanishing = vanishing + (_WHITESPACE if takes_spaces else "")
            if not _puts_in(normalizer, self._vanishing):
                self._chars_per_token = shrinking * self._longest(vocab)
        self._cut = self._cut_of(normalizer, pre_tokenizer)

    @property
    def is_quick(self) -> bool:
        """Whether ``at_least`` takes less than a millisecond or two for a megabyte."""
        return len(self._vanishing) < _MANY

    def at_least(self, text: str) -> int:
        """Return a number of tokens that the text has at the least; 0 where nothing is known."""
        if self._chars_per_token is None:
            return 0
        num = len(text)
        if num > self._chars_per_token:
            num -= sum(map(text.count, self._vanishing))
        return -(-num // self._chars_per_token)

    def pieces(self, text: str) -> Iterator[str]:
        """Yield pieces of the text that have its tokens, together; the text itself where it cannot be cut."""
        start = 0
        while self._cut is not None and (found := self._cut.search(text, start + PIECE, start + 4 * PIECE)) is not None:
            yield text[start : found.start()]
            start = found.start()
        yield text[start:]

    def _longest(self, vocab: Mapping[str, int]) -> int:
        """Return the characters of the longest token, in a normalized text."""
        normalizer = self._tokenizer.normalizer
        contents = [each.content for each in self._added]
        normalized = map(normalizer.normalize_str, contents) if normalizer is not None else ()
        return max(1, *map(len, vocab), *map(len, contents), *map(len, normalized))

    def _cut_of(self, normalizer: Any, pre_tokenizer: Any) -> re.Pattern[str] | None:
        model = isinstance(self._tokenizer.model, (models.WordPiece, models.WordLevel))
        is_local = all(_is_local(each) for each in components(normalizer))
        pattern = _CUTS.get(pre_tokenizer.get("type", ""))
        if not model or not is_local or pattern is None:
            return None
        cut = re.compile(pattern, re.DOTALL)
        return None if any(each.normalized or _is_cut(each.content, cut) for each in self._added) else cut


def _is_local(component: Mapping[str, Any]) -> bool:
    """Whether a normalizer looks at nothing across a cut: also what replaces single characters, but no place of one."""
    if component["type"] != "Replace":
        return component["type"] in _LOCAL
    plain, regex = (component["pattern"].get(each, "") for each in ("String", "Regex"))
    if len(plain) != 1 and not re.fullmatch(r"\[[^\[\]]*\]", regex):
        return False
    replace = normalizers.Replace(plain or Regex(regex), component["content"])
    return bool(replace.normalize_str(_PLACES) == _PLACES)


def _is_cut(content: str, cut: re.Pattern[str]) -> bool:
    """Whether a text is cut inside, wherever it stands."""
    return any(1 < found.start() <= len(content) for found in cut.finditer(f"x{content}x"))


def _described(part: Any) -> Mapping[str, Any]:
    described: Mapping[str, Any] = {} if part is None else json.loads(part.__getstate__())
    return described


def _shrinking(normalizer: Any) -> int | None:
    """Return how many characters become one at most, None if there is no such number."""
    product = 1
    for each in components(normalizer):
        factor = _replacing(each) if each["type"] == "Replace" else _NORMALIZERS.get(each["type"])
        if factor is None:
            return None
        product *= factor
    return product


def _replacing(component: Mapping[str, Any]) -> int | None:
    """Return it for one text in the place of another: a pattern may match any number of characters."""
    replaced, content = component["pattern"].get("String"), component["content"]
    return max(1, -(-len(replaced) // len(content))) if replaced and content else None


def _keeps_all(pre_tokenizer: Any) -> bool:
    return all(
        each["type"] in _PRE_TOKENIZERS or (each["type"] in _SPLITTERS and each["behavior"] != "Removed")
        for each in components(pre_tokenizer)
    )


def _puts_in(normalizer: Any, characters: str) -> bool:
    """Whether it writes one of the characters in the place of another text."""
    replacing = [each["content"] for each in components(normalizer) if each["type"] == "Replace"]
    return any(character in content for content in replacing for character in characters)


def _vanishing(tokenizer: Tokenizer, vocab: Mapping[str, int]) -> str | None:
    """Return the characters that may come to no token of their own; None if that may be any."""
    model = tokenizer.model
    if not isinstance(model, models.BPE):
        return None  # any number of unknown characters share one token
    if model.unk_token is not None and not model.fuse_unk:
        return ""
    if model.byte_fallback and all(f"<0x{byte:02X}>" in vocab for byte in range(256)):
        return ""
    last = [_described(tokenizer.normalizer), *components(_described(tokenizer.pre_tokenizer))]
    is_byte_level = any(each.get("type") == "ByteLevel" for each in last)
    unknown = [byte for spelled, byte in byte_alphabet().items() if spelled not in vocab]
    if not is_byte_level or model.continuing_subword_prefix or model.end_of_word_suffix:
        return None
    # Unknown bytes are left out, but any character beyond ASCII has one that is known.
    return (
        None if any(0x80 <= byte < 0xC0 for byte in unknown) else "".join(chr(byte) for byte in unknown if byte < 128)
    )
