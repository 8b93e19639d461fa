"""How the families of embedding models pool, for folders that do not say it: one table for server and plugins.

Sources: 1_Pooling/config.json in each model's repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MODES = ("mean", "cls", "max", "last")
"""From the vectors of a text's tokens to one: their mean, the first, the largest of each number, the last."""

_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"bge-(small|base|large|m3)", "cls"),
    (r"snowflake-arctic-embed", "cls"),
    (r"mxbai-embed-xsmall", "mean"),
    (r"mxbai-embed", "cls"),
    (r"uae-large", "cls"),
    (r"gist-(small|large)?-?embedding", "cls"),
    (r"ember-v1", "cls"),
    (r"granite-embedding", "cls"),
    (r"gte-(modernbert|multilingual|(base|large)-en-v1\.5)", "cls"),
    (r"gte-qwen", "last"),
    (r"gte-(tiny|small|base|large)", "mean"),
    (r"qwen3-embedding", "last"),
    (r"e5-mistral", "last"),
    (r"e5-(small|base|large)", "mean"),
    (r"multi-qa-.*-dot", "cls"),
    (r"msmarco-.*-tas-b", "cls"),
    (
        r"(all|multi-qa|paraphrase(-multilingual|-albert)?|msmarco)-(minilm|mpnet|distilroberta|distilbert|roberta)",
        "mean",
    ),
    (r"nomic-embed-text|modernbert-embed", "mean"),
    (r"jina-embeddings?-v[23]", "mean"),
    (r"contriever", "mean"),
    (r"embeddinggemma", "mean"),
)
"""What a model's name has in it, and how the family pools; the first line that matches."""


def family_pooling(names: Iterable[str]) -> str | None:
    """Return one of MODES for a model of these ``names`` (its repository's, its folder's); None: it is not known."""
    for name in names:
        for pattern, mode in _FAMILIES:
            if re.search(rf"(^|[^a-z0-9]){pattern}", name.lower()):
                return mode
    return None
