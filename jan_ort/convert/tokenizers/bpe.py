"""BPE by a list of merges: of bytes, as in GPT-2, Llama 3, Qwen and SmolLM, or of characters, as in Gemma 4."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.splitting import THREES, Splitting, splitting_of
from jan_ort.convert.tokenizers.vocabulary import Vocabulary


class Bpe:
    """:class:`kind.TokenizerKind` of files with merges; tokenizer.ggml.pre says how a text is split before them."""

    def __init__(self, model: str, title: str) -> None:
        self.model, self.title = model, title

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        """Return what llama.cpp does: the texts of a few of them begin with BOS, Gemma 4's whatever a file says."""
        splitting = self._splitting(source)
        return SpecialDefaults(add_bos=splitting.adds_bos, always_bos=splitting.adds_bos and splitting.is_spelled)

    def _splitting(self, source: GgufFile) -> Splitting:
        return splitting_of(source, "gemma4" if self.model == "gemma4" else None)

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the tokenizer of the file's merges."""
        splitting = self._splitting(source)
        try:
            model = models.BPE(
                vocab=vocabulary.ids,
                merges=_merges(source),
                ignore_merges=splitting.ignores_merges,
                byte_fallback=splitting.is_spelled,
            )
        except Exception as error:  # the library raises the bare class
            source.refuse(f"the merges do not fit the vocabulary ({error}); the file is damaged")
        tokenizer = Tokenizer(model)
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitting.patterns]
        if splitting.ends_threes:
            splits.insert(0, pre_tokenizers.Split(Regex(THREES), "merged_with_previous"))
        if splitting.is_spelled:
            tokenizer.normalizer = normalizers.Replace(" ", "▁")
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
            tokenizer.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
            )
            return tokenizer
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer


def _merges(source: GgufFile) -> list[tuple[str, str]]:
    """Split "left right"; a left part may itself begin with a space, as llama.cpp has it. Of two, the first counts."""
    merges: dict[tuple[str, str], None] = {}
    for rule in source.strings("tokenizer.ggml.merges"):
        space = rule.find(" ", 1)
        if space < 0:
            source.refuse(f"the merge rule {rule!r} has no second part; the file is damaged")
        merges[rule[:space], rule[space + 1 :]] = None
    return list(merges)
