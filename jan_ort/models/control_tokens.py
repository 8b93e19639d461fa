"""Control tokens that are a template's own, in a text that holds the same letters as plain text, too (hop 3).

A text is marked: where a control token's name is to be no token, its first letter is a stand-in. Then

- what is left of such names is the template's, and becomes a name that nobody can write;
- the stand-ins become the letters again;
- and the whole text is tokenized at once, by a tokenizer that shares the model's own but knows only the new names.

So nothing is cut, and a text without a stand-in has the token ids that it always had.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE

_PIECE = 2**16
"""Characters that are searched at once: each name that is found takes some 400 bytes until its place is known."""

_MAX_BEGINNINGS = 64
_BEGINNING = 4

_STAND_INS = range(0x20000, 0xF0000)
"""At first letters without case of which no normalizer makes others, and that Python writes as they are."""

_NAME = 0x100000


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
    """The control tokens of a tokenizer: those that are marked special. Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer, added: Collection[AddedToken]) -> None:
        self._tokenizer = tokenizer
        self._making = threading.Lock()
        self._names = sorted({token.content for token in added if token.special and token.content})
        self._beginnings = _beginnings(self._names)

    def are_in(self, text: str) -> bool:
        """Whether the text holds the name of a control token."""
        # How names begin is looked for first: that takes a hundredth of the time, and most texts have none of it.
        return any(each in text for each in self._beginnings) and next(self._places(text), None) is not None

    def marked(self, text: str, stand_ins: Mapping[str, str], kept: Collection[str] = ()) -> str:
        """Return the text with stand-ins in the names of control tokens, but for the names that are ``kept``."""
        # Again, for a name may lie across another.
        while begins := [begin for begin, end in self._places(text) if text[begin:end] not in kept]:
            letters = list(text)
            for begin in begins:
                letters[begin] = stand_ins[letters[begin]]
            text = "".join(letters)
        return text

    def stand_ins(self, texts: Iterable[str]) -> dict[str, str]:
        """Return a stand-in for each first letter of a name, one that is in none of these texts.

        Raises: ValueError where the texts have used up all.
        """
        taken = set().union(*map(set, texts))
        free = (chr(code) for code in _STAND_INS if chr(code) not in taken)
        letters = sorted({name[0] for name in self._names})
        found = dict(zip(letters, free, strict=False))
        if len(found) < len(letters):
            raise ValueError("they use nearly every character that there is; leave some out")
        return found

    def encode(self, marked: MarkedText) -> list[int]:
        """Return the token ids of a marked text. Releases the interpreter's lock for most of it."""
        with self._making:
            told = self._told
        text = marked.with_letters(told.renamed(marked.text), told.barrier)
        (found,) = told.tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return [told.ids.get(each, each) for each in found.ids if each != told.barrier_id]

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where names begin and end; of those that lie across one another, one at least."""
        with self._making:
            finder = self._finder
        longest = max(map(len, self._names), default=0)
        for start in range(0, len(text) if longest else 0, _PIECE):
            (found,) = finder.encode_batch([text[start : start + _PIECE + longest - 1]], add_special_tokens=False)
            yield from ((start + begin, start + end) for begin, end in found.offsets if begin < _PIECE)

    @cached_property
    def _finder(self) -> Tokenizer:
        return _finder(self._names)

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
        added = tokenizer.get_added_tokens_decoder()
        self._names = {token.content: _secret_name() for token in added.values() if token.special}
        self._finder = _finder(sorted(token.content for token in added.values()))
        told = {each: self._named(token) for each, token in sorted(added.items())}
        self.tokenizer.add_special_tokens([token for token in told.values() if token.special])
        self.tokenizer.add_tokens([token for token in told.values() if not token.special])
        self.ids = {self._id(token.content): each for each, token in told.items()}
        self.barrier, self.barrier_id = "", -1
        if any(token.special and each in self._ids_of(token.content) for each, token in added.items()):
            # The model itself makes one token of such a name, which a barrier behind its first letter prevents.
            self.barrier = _secret_name()
            self.tokenizer.add_special_tokens([AddedToken(self.barrier, special=True, normalized=False)])
            self.barrier_id = self._id(self.barrier)

    def renamed(self, text: str) -> str:
        """Return the text with the new names of the control tokens that it names."""
        (found,) = self._finder.encode_batch([text], add_special_tokens=False)
        parts, at = [], 0
        for begin, end in found.offsets:
            name = text[begin:end]
            parts += [text[at:begin], self._names.get(name, name)]
            at = end
        return "".join([*parts, text[at:]])

    def _named(self, token: AddedToken) -> AddedToken:
        return AddedToken(
            self._names.get(token.content, token.content),
            single_word=token.single_word,
            lstrip=token.lstrip,
            rstrip=token.rstrip,
            normalized=token.normalized,
            special=token.special,
        )

    def _id(self, name: str) -> int:
        token_id = self.tokenizer.token_to_id(name)
        return -1 if token_id is None else token_id  # an empty name is none

    def _ids_of(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _finder(names: Iterable[str]) -> Tokenizer:
    """Return a tokenizer that finds these names in a text, the longest at each place, and knows nothing else."""
    finder = Tokenizer(BPE())
    finder.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names if name])
    return finder


def _secret_name() -> str:
    """Return a name that is in no text, of characters that mean nothing: nobody can guess it."""
    return "".join(chr(_NAME + byte) for byte in secrets.token_bytes(12))


def _beginnings(names: Collection[str]) -> Collection[str]:
    """Return how the names begin, in few texts: "" if there are too many."""
    for length in range(_BEGINNING, -1, -1):
        found = {name[:length] for name in names}
        if len(found) <= _MAX_BEGINNINGS:
            return found
    return ()
