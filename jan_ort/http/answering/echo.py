"""The prompt in front of its completions: ``echo``, with the prompt's own log-probabilities if they are asked for."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.events import TokenLogprobs
from jan_ort.models.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class EchoedPrompt:
    """A prompt as it is given back: its text, and how many characters of it stand before each of its tokens."""

    text: str
    token_ids: tuple[int, ...]
    text_offsets: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: TextTokenizer, token_ids: NDArray[np.int64], text: str | None = None) -> EchoedPrompt:
        """Return the echo of ``token_ids``; ``text`` is what the request spelled, None where it gave token ids."""
        ids = token_ids.tolist()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        names = [tokenizer.token_name_bytes(token_id) for token_id in ids]
        if text is not None and len(names) > 1 and b"".join(names[1:]).decode("utf-8", "replace") == text:
            names[0] = b""  # BOS, which the request did not spell
        offsets, spelled = [], ""
        for name in names:
            offsets.append(len(spelled) if text is None else min(len(spelled), len(text)))
            spelled += decoder.decode(name)
        spelled += decoder.decode(b"", final=True)
        return cls(spelled if text is None else text, tuple(ids), tuple(offsets))

    def place(self, logprobs: Sequence[TokenLogprobs], *, first: int = 0) -> list[TokenLogprobs]:
        """Return log-probabilities of a choice with offsets into prompt and completion together.

        A choice's first ones are those of the prompt's tokens from its second on; ``first`` says which one comes first.
        """
        num_prompt = len(self.token_ids) - 1
        return [
            replace(each, text_offset=self.text_offsets[at + 1])
            if at < num_prompt
            else replace(each, text_offset=each.text_offset + len(self.text))
            for at, each in enumerate(logprobs, start=first)
        ]
