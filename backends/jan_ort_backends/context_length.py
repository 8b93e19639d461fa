"""How many tokens a model takes at once, by the configuration files of its folder: one rule for server and plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BARE_CONTEXT_LENGTH: Mapping[str, int] = {"generate": 2048, "embed": 512, "rerank": 512}
"""The tokens that a model takes, by its task, whose folder is no more than a graph and a tokenizer."""

_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")
_PAST_PADDING = frozenset(
    {"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta"}
    | {"xlm-roberta-xl", "xmod"}
)
"""The values of config.json's model_type whose first token has the position after that of padding."""

SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""The names of sentence-transformers' own file about texts, in its order; old models have those of their kind."""


def sentence_config(folder: Path) -> str:
    """Return the name of that file in a folder, the usual one where there is none."""
    return next((name for name in SENTENCE_CONFIGS if (folder / name).exists()), SENTENCE_CONFIGS[0])


def stated_context_length(
    *,
    config: Mapping[str, Any],
    genai_model: Mapping[str, Any],
    sentence_bert: Mapping[str, Any],
    tokenizer_config: Mapping[str, Any],
    embeds: bool,
) -> int | None:
    """Return the number of tokens that the files state, None if they state none.

    ``config`` is config.json, ``genai_model`` the part "model" of genai_config.json, ``sentence_bert``
    what :func:`sentence_config` names; a file that is not there is empty. ``embeds``: the model turns texts into
    vectors, and takes no more tokens than it has positions, nor than its tokenizer leaves, unless
    sentence-transformers' own file says more.
    Sources: transformers' create_position_ids_from_input_ids; sentence-transformers' Transformer module.
    """
    text_config = config.get("text_config")
    text = {**config, **text_config} if isinstance(text_config, Mapping) else config
    positions = next(_counts(*(text.get(key) for key in _LENGTH_KEYS)), None)
    of_tokenizer = tokenizer_config.get("model_max_length")
    if not embeds:
        stated = (sentence_bert.get("max_seq_length"), genai_model.get("context_length"), positions, of_tokenizer)
        return next(_counts(*stated), None)
    if positions is not None:
        positions -= first_position(text)
    wanted = next(_counts(sentence_bert.get("max_seq_length"), of_tokenizer), None)
    return min(_counts(wanted, positions), default=None)


def first_position(config: Mapping[str, Any]) -> int:
    """Return the position of a text's first token, by config.json."""
    if str(config.get("model_type")) not in _PAST_PADDING:
        return 0
    padding = config.get("pad_token_id")
    return 1 + (padding if type(padding) is int else 1)


def _counts(*values: object) -> Iterator[int]:
    """Yield those that are counts; tokenizers that know no limit say 1e30."""
    yield from (value for value in values if type(value) is int and 0 < value < 2**31)
