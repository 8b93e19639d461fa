"""Tokens that are known by their text: whatever a file says, these are control tokens, and some end a generation.

Source: llama_vocab::impl::load in llama.cpp's llama-vocab.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.special_tokens import special_token_id

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""tokenizer.ggml.token_type, llama.cpp's llama_token_type."""

END_TOKENS: Final = (
    "<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn> <|endoftext|> </s> <|eom_id|>"
    " <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> <|tool_response>"
    " <｜end▁of▁sentence｜> [e~["
)

FILL_IN_TOKENS: Final = {
    "fim_pre": "<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>",
    "fim_suf": "<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|>",
    "fim_mid": "<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|>",
    "fim_pad": "<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD]",
    "fim_rep": "<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame>",
    "fim_sep": "<|file_sep|>",
}
"""By the key that may name another, tokenizer.ggml.*_token_id."""

_OLDER_KEYS: Final = {"fim_pre": "prefix", "fim_suf": "suffix", "fim_mid": "middle"}
_END_OF_FILL_IN = ("fim_pad", "fim_rep", "fim_sep")

_SHOWN: Final = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")
"""Of gpt-oss: parts of its answers' format, which are to be read."""

_END_OF_PARTS: Final = (("<|return|>", "<|call|>"), ("<|flush|>", "<|call|>"), ("<|flush|>", "<|calls|>"))
"""Where a model has both, ``<|end|>`` ends a part of an answer, not all of it."""

_OTHER_ENDS: Final = ("<|tool_response>", "<|plamo:eos|>")
"""Where a model has one, ``</s>`` is a token like others."""


class KnownTokens:
    """The types of a vocabulary's tokens, where a text says more than the file, and the ids that end a generation."""

    def __init__(self, source: GgufFile, ids: Mapping[str, int], types: list[int]) -> None:
        self.types = list(types)
        self._ids = ids
        ends = {ids[text] for text in END_TOKENS.split(" ") if text in ids}
        self._mark(ends, CONTROL)
        for kind, texts in FILL_IN_TOKENS.items():
            found = self._fill_in(source, kind, texts)
            ends |= found if kind in _END_OF_FILL_IN else set()
        self._mark({ids[text] for text in _SHOWN if text in ids}, USER_DEFINED)
        if any(all(text in ids for text in both) for both in _END_OF_PARTS):
            self._is_no_end("<|end|>", USER_DEFINED, ends)
        if any(text in ids for text in _OTHER_ENDS):
            self._is_no_end("</s>", NORMAL, ends)
        self.end_ids = sorted(ends)

    def _mark(self, token_ids: set[int], kind: int) -> None:
        for token_id in token_ids:
            self.types[token_id] = kind

    def _fill_in(self, source: GgufFile, kind: str, texts: str) -> set[int]:
        """Return the tokens of a kind: what the file names, else what is called so, which becomes a control token."""
        for key in (kind, _OLDER_KEYS.get(kind, kind)):
            if (token_id := special_token_id(source, key, len(self.types))) is not None:
                return {token_id}
        found = {self._ids[text] for text in texts.split(" ") if text in self._ids}
        self._mark(found, CONTROL)
        return found

    def _is_no_end(self, text: str, kind: int, ends: set[int]) -> None:
        if (token_id := self._ids.get(text)) is not None:
            ends.discard(token_id)
            self._mark({token_id}, kind)
