"""The tokens that begin and end a text: what a file says of them, and what holds where it does not."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.convert.inputs.gguf_file import GgufFile

WAY_OUT = "use an ONNX repository of the model, whose tokenizer.json is read, or --backend llama_cpp --weights as-is"
"""What to do about a tokenizer that cannot be translated."""


@dataclass(frozen=True, slots=True)
class SpecialDefaults:
    """A kind's own ids, and whether a text gets the first and the last; ``separates``: the last is the separator.

    ``always_bos``: a text begins with BOS whatever the file says.
    """

    add_bos: bool = False
    always_bos: bool = False
    add_eos: bool = False
    bos: int | None = None
    eos: int | None = None
    unknown: int | None = None
    separator: int | None = None
    separates: bool = False


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Their ids: ``end_ids`` end a generation, ``eos`` first; ``first`` and ``last`` stand around a text.

    ``between`` stands before the second text of a pair, behind the first one's ``last``.
    """

    bos: int | None
    eos: int | None
    unknown: int | None
    end_ids: list[int]
    add_bos: bool
    first: int | None
    last: int | None
    between: int | None = None


def special_token_id(source: GgufFile, kind: str, num_tokens: int, default: int | None = None) -> int | None:
    """Return the id that the file gives for a kind of token; ``default`` for none, or one that is no token's."""
    key = f"tokenizer.ggml.{kind}_token_id"
    token_id = source.integer(key, low=-(2**63), high=2**64) if key in source else default
    if token_id is None or not 0 <= token_id < num_tokens:
        return None if default is None or not 0 <= default < num_tokens else default
    return token_id


def read_special_tokens(
    source: GgufFile, num_tokens: int, defaults: SpecialDefaults, end_ids: list[int]
) -> SpecialTokens:
    """Read the keys of ``source``; ``end_ids`` are those known by their text. Raises: ConversionError."""
    bos = special_token_id(source, "bos", num_tokens, defaults.bos)
    eos = special_token_id(source, "eos", num_tokens, defaults.eos)
    if eos is None and not defaults.separates:
        source.refuse("metadata key 'tokenizer.ggml.eos_token_id' is missing: generation would not end")
    named = [eos, *(special_token_id(source, kind, num_tokens) for kind in ("eot", "eom"))]
    add_bos = source.boolean("tokenizer.ggml.add_bos_token", defaults.add_bos) or defaults.always_bos
    add_bos = bos is not None and add_bos
    add_eos = source.boolean("tokenizer.ggml.add_eos_token", defaults.add_eos)
    separator = special_token_id(source, "seperator", num_tokens, defaults.separator)  # spelled so in the files
    separates_pairs = source.boolean("tokenizer.ggml.add_sep_token", True)
    return SpecialTokens(
        bos=bos,
        eos=eos,
        unknown=special_token_id(source, "unknown", num_tokens, defaults.unknown),
        end_ids=list(dict.fromkeys(token_id for token_id in [*named, *end_ids] if token_id is not None)),
        add_bos=add_bos,
        first=bos if add_bos or defaults.separates else None,
        last=separator if defaults.separates else eos if add_eos else None,
        between=separator if add_eos and not defaults.separates and separates_pairs else None,
    )
