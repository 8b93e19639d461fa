"""A reference model that wants to write a given text, whatever it is asked: quick, and a grammar still holds it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.models.tokenizer import TextTokenizer
from jan_ort_backends import SlotTokens, StepOutput
from jan_ort_backends.interface import NUM_TOP_LOGITS
from jan_ort_backends.reference import ReferenceSession
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID, FIRST_SPECIAL_ID
from jan_ort_backends.reference_transformer import VOCAB_SIZE
from tests.serving.several import copied

WANTED = 60.0


class Script:
    """What the model writes next: ``text``, which may hold special tokens by their names."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._text = b""
        self._first: dict[int, int] = {}

    def say(self, text: str) -> None:
        """Write this text from now on, and end it."""
        self._text = text.encode()
        self._first = {}

    def following(self, tokens: Sequence[int]) -> int:
        """Return what comes after these tokens, whose text ends with as much of the script as has been written."""
        written = b"".join(map(self._tokenizer.token_name_bytes, tokens[-len(self._text) - 1 :]))
        done = next(n for n in range(len(self._text), -1, -1) if written.endswith(self._text[:n]))
        if done not in self._first:
            rest = self._tokenizer.encode_part(self._text[done:].decode(errors="replace"))
            self._first[done] = int(rest[0]) if len(rest) else EOS_TOKEN_ID
        return self._first[done]


def scripted(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Script:
    """Make every reference session write what the returned script says, in tokens of the folder's tokenizer."""
    script = Script(TextTokenizer(folder / "tokenizer.json"))
    held: dict[tuple[int, int], list[int]] = {}  # by session and slot

    def run(session: ReferenceSession, batch: Sequence[SlotTokens]) -> StepOutput:
        rows = list(itertools.chain.from_iterable(_row(session, each) for each in batch))
        logits = np.array(rows, np.float32).reshape(len(rows), VOCAB_SIZE)
        top_token_ids = np.argsort(-logits, axis=1, kind="stable")[:, :NUM_TOP_LOGITS]
        return StepOutput(logits, np.take_along_axis(logits, top_token_ids, axis=1), top_token_ids)

    def _row(session: ReferenceSession, row: SlotTokens) -> list[NDArray[np.float32]]:
        past = held.get((id(session), row.slot), [])[: session.lengths[row.slot]]
        tokens = held[id(session), row.slot] = [*past, *map(int, row.token_ids)]
        ends = range(len(tokens) - row.num_logits + 1, len(tokens) + 1)
        return [_logits(script.following(tokens[:end])) for end in ends]

    def fork(session: ReferenceSession, source: int, target: int, length: int) -> None:
        held[id(session), target] = held.get((id(session), source), [])[:length]
        session.lengths[target] = length

    monkeypatch.setattr(ReferenceSession, "run", run)
    monkeypatch.setattr(ReferenceSession, "fork", fork)
    return script


def _logits(token_id: int) -> NDArray[np.float32]:
    logits = np.zeros(VOCAB_SIZE, np.float32)
    logits[token_id] = WANTED
    return logits


def model_folder(directory: Path, template: str, special: Sequence[str] = ()) -> Path:
    """Return a copy of the reference model with another chat template, and more special tokens.

    Those have the ids of the merges that were learnt last.
    """
    folder = Path(copied(directory, "scripted"))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    path = folder / "tokenizer.json"
    stated = json.loads(path.read_bytes())
    model = stated["model"]
    for number, name in enumerate(special):
        token_id = FIRST_SPECIAL_ID - 1 - number
        model["merges"].pop()
        (token,) = (token for token, known in model["vocab"].items() if known == token_id)
        del model["vocab"][token]
        model["vocab"][name] = token_id  # else the library gives it another id
        stated["added_tokens"].insert(0, stated["added_tokens"][0] | {"id": token_id, "content": name})
    path.write_text(json.dumps(stated), encoding="utf-8")
    return folder
