"""Control tokens that are a template's own, in a text that holds the same letters as plain text, too (hop 3).

A text is marked: where a control token's name is to be no token, one of its letters is a stand-in. Then

- what is left of such names is the template's, and becomes a name that nobody can write;
- the stand-ins become the letters again;
- and the whole text is tokenized at once, by a tokenizer that shares the model's own but knows only the new names.

So nothing is cut, and a text without a stand-in has the token ids that it always had.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tokenizers import AddedToken, Tokenizer

_PIECE = 2**16
"""Characters that are searched without letting another thread run."""

_STAND_INS = range(0x20000, 0xF0000)
"""At first letters without case of which no normalizer makes others, and that Python writes as they are."""

_NAME = 0x100000

_MAX_DEPTH = 64
"""Names of which each begins with the one before; models have three."""


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text with stand-ins for letters, which ``stand_ins`` has by those letters; with none it is plain."""

    text: str
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        """The text with its letters."""
        return self.with_letters(self.text)

    def with_letters(self, text: str, behind: str = "") -> str:
        """Return a text that was made of this one with its letters, and ``behind`` after each."""
        letters = {ord(stand_in): letter + behind for letter, stand_in in self.stand_ins.items()}
        return text.translate(letters) if letters else text


class ControlTokens:
    """The control tokens of a tokenizer: those that are marked special. Safe to use from several threads.

    Raises: ValueError for names that begin with one another too often.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._making = threading.Lock()
        added = {each.content: each.special for each in tokenizer.get_added_tokens_decoder().values() if each.content}
        self._control = frozenset(text for text, is_special in added.items() if is_special)
        self._longest = max(map(len, self._control), default=1)
        self._starts = re.compile(f"(?={_any_of(self._control)})") if self._control else None
        self._added = re.compile(_any_of(added)) if added else None

    def are_in(self, text: str) -> bool:
        """Whether the text holds the name of a control token."""
        return next(self._found(text), None) is not None

    def marked(self, text: str, stand_ins: Mapping[str, str], kept: Collection[str] = ()) -> str:
        """Return the text with stand-ins in the names of control tokens, but for the names that are ``kept``."""
        letters = list(text)
        for at in self._found(text):
            name = self._added.match(text, at) if self._added is not None else None
            if name is None or name[0] not in kept:
                letters[at] = stand_ins.get(letters[at], letters[at])
        return "".join(letters)

    def stand_ins(self, texts: Iterable[str]) -> dict[str, str]:
        """Return a stand-in for each first letter of a name, one that is in none of these texts.

        Raises: ValueError where the texts have used up all.
        """
        taken = set().union(*map(set, texts))
        free = (chr(code) for code in _STAND_INS if chr(code) not in taken)
        letters = sorted({name[0] for name in self._control})
        found = dict(zip(letters, free, strict=False))
        if len(found) < len(letters):
            raise ValueError("they use nearly every character that there is; leave some out")
        return found

    def encode(self, marked: MarkedText) -> list[int]:
        """Return the token ids of a marked text. Releases the interpreter's lock for most of it."""
        with self._making:
            told = self._told
        text = marked.text
        if self._added is not None:
            text = self._added.sub(lambda name: told.names.get(name[0], name[0]), text)
        (found,) = told.tokenizer.encode_batch_fast([marked.with_letters(text, told.barrier)], add_special_tokens=False)
        return [told.ids.get(each, each) for each in found.ids if each != told.barrier_id]

    def _found(self, text: str) -> Iterator[int]:
        """Yield where names begin, also within others; a piece at a time, for a search lets no other thread run."""
        if self._starts is None:
            return
        for start in range(0, len(text), _PIECE):
            end = min(start + _PIECE, len(text))
            for found in self._starts.finditer(text, start, end + self._longest):
                if found.start() < end:
                    yield found.start()

    @cached_property
    def _told(self) -> _ToldApart:
        return _ToldApart(self._tokenizer)


class _ToldApart:
    """A tokenizer that knows the control tokens by other names, which take 30 ms to give."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = Tokenizer(tokenizer.model)
        if tokenizer.normalizer is not None:
            self.tokenizer.normalizer = tokenizer.normalizer
        if tokenizer.pre_tokenizer is not None:
            self.tokenizer.pre_tokenizer = tokenizer.pre_tokenizer
        self.names: dict[str, str] = {}
        self.ids: dict[int, int] = {}
        added = tokenizer.get_added_tokens_decoder()
        for token_id, token in sorted(added.items()):
            self._add(token_id, token)
        self.barrier = ""
        self.barrier_id: int | None = None
        if any(token.special and token_id in self._ids_of(token.content) for token_id, token in added.items()):
            # The model itself makes one token of such a name, which a barrier behind its first letter prevents.
            self.barrier = _secret_name()
            self.tokenizer.add_special_tokens([AddedToken(self.barrier, special=True, normalized=False)])
            self.barrier_id = self.tokenizer.token_to_id(self.barrier)

    def _add(self, token_id: int, token: AddedToken) -> None:
        name = _secret_name() if token.special else token.content
        rules = {"single_word": token.single_word, "lstrip": token.lstrip, "rstrip": token.rstrip}
        told = AddedToken(name, normalized=token.normalized, special=token.special, **rules)
        (self.tokenizer.add_special_tokens if token.special else self.tokenizer.add_tokens)([told])
        if token.special:
            self.names[token.content] = name
        new_id = self.tokenizer.token_to_id(name)
        assert new_id is not None, "it has just been added"
        self.ids[new_id] = token_id

    def _ids_of(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _secret_name() -> str:
    """Return a name that is in no text, of characters that mean nothing: nobody can guess it."""
    return "".join(chr(_NAME + byte) for byte in secrets.token_bytes(12))


def _any_of(names: Collection[str]) -> str:
    """Return a pattern that finds the longest of these names at a place, in time that no text makes long."""
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for letter in name:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _pattern(tree, 0)


def _pattern(node: dict[str, Any], depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise ValueError(f"more than {_MAX_DEPTH} of its added tokens begin with one another")
    run = ""
    while len(node) == 1 and "" not in node:  # most names have long ends of their own
        letter, node = next(iter(node.items()))
        run += re.escape(letter)
    if node.keys() == {""}:
        return run
    branches = "|".join(re.escape(letter) + _pattern(node[letter], depth + 1) for letter in sorted(node) if letter)
    return f"{run}(?:{branches}){'?' if '' in node else ''}"
