"""The reference model's byte-level BPE tokenizer: learnt from a fixed text, and written as the files in the folder.

``python -m jan_ort_backends.reference_tokenizer`` writes them again. Token ids 0..255 are the bytes, then come the
merges in the order they were learnt, then the special tokens.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).parent / "reference_model"
RERANKER_FOLDER = Path(__file__).parent / "reference_reranker"
IMAGES_FOLDER = Path(__file__).parent / "reference_images"
"""The model folders that the package carries."""

VOCAB_SIZE = 512
CONTEXT_LENGTH = 512
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
FIRST_SPECIAL_ID = VOCAB_SIZE - len(SPECIAL_TOKENS)
BOS_TOKEN_ID = FIRST_SPECIAL_ID
EOS_TOKEN_ID = FIRST_SPECIAL_ID + 2
IMAGE_TOKENS = ("<image_start>", "<image_end>", "<image>")
"""What the last special tokens are called in the model that reads images."""
IMAGE_TOKEN_ID = VOCAB_SIZE - 1

CORPUS = """\
The server reads a question and writes an answer, one token at a time. What is a token? It is a piece of a word that
has been seen many times before, and the shorter the text, the fewer the pieces. A small model like this one knows
nothing about the world; it only shows that the other parts of the house are working together. When the sun rises over
the river, the birds begin to sing, and people walk along the water to their work. In the evening they come home again,
tired but content, and tell each other stories of what they have heard and thought during the day. There was a time
when all of this would have been written by hand with ink on paper. Now the letters are numbers, and the numbers are
light. He said that she could never remember where the garden ended and the forest began. They were standing under an
old tree that had lost most of its leaves. Some of them were still green, others yellow, brown or red. How long will
the winter last? Nobody can say for certain. Please bring some bread, two apples and a bottle of milk from the market,
because we are going to make breakfast for the children. If you want to learn something new, then start with the first
page, take one step after another, and do not stop until the last line has been understood. Every good answer is
followed by a better question. Thank you, and have a nice day! I think it's true, isn't it? Yes, but we don't know yet.
"""
"""The text that the merges are learnt from; written for this file."""

_WORDS = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
"""GPT-2's pre-tokenisation, for ASCII. Source: github.com/openai/gpt-2, encoder.py."""


@cache
def learn_merges() -> tuple[tuple[bytes, bytes], ...]:
    """Learn as many merges as the vocabulary has room for: always the most frequent pair, ties by its bytes.

    Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
    """
    words = {tuple(bytes([b]) for b in word.encode()): n for word, n in Counter(_WORDS.findall(CORPUS)).items()}
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < FIRST_SPECIAL_ID - 256:
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words = {_merge(word, best): count for word, count in words.items()}
        merges.append(best)
    return tuple(merges)


def _merge(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    merged: list[bytes] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def merged_tokens() -> dict[int, bytes]:
    """Return the bytes of every merged token, by token id."""
    return {256 + rank: left + right for rank, (left, right) in enumerate(learn_merges())}


def word_token_ids() -> list[int]:
    """Return the token ids that are a whole word of the text, read from the file since learning takes 80 ms."""
    words = set(_WORDS.findall(CORPUS))
    vocab = json.loads((FOLDER / "tokenizer.json").read_bytes())["model"]["vocab"]
    return [token_id for token, token_id in vocab.items() if token.replace("Ġ", " ") in words and token_id >= 256]


def tokenizer_files() -> dict[str, str]:
    """Return the text of every file of the model folder, except the chat template, by file name."""
    added = [
        {
            "id": FIRST_SPECIAL_ID + index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, token in enumerate(SPECIAL_TOKENS)
    ]
    documents: dict[str, object] = {
        "tokenizer.json": _tokenizer(added),
        "tokenizer_config.json": {
            "bos_token": SPECIAL_TOKENS[0],
            "eos_token": SPECIAL_TOKENS[2],
            "add_bos_token": False,
            "model_max_length": CONTEXT_LENGTH,
        },
        "config.json": {
            "model_type": "jan_ort_reference",
            "vocab_size": VOCAB_SIZE,
            "max_position_embeddings": CONTEXT_LENGTH,
            "bos_token_id": BOS_TOKEN_ID,
            "eos_token_id": EOS_TOKEN_ID,
        },
        "generation_config.json": {"bos_token_id": BOS_TOKEN_ID, "eos_token_id": [EOS_TOKEN_ID]},
        "jan_ort.json": {
            "format": 1,
            "name": "reference",
            "task": "generate",
            "context_length": CONTEXT_LENGTH,
            "weights": "computed",
        },
    }
    return {name: json.dumps(document, indent=1) + "\n" for name, document in documents.items()}


def reranker_files() -> dict[str, str]:
    """Return the text of every file of the folder of the model that ranks: the same one, asked for another thing."""
    files = {name: json.loads(text) for name, text in tokenizer_files().items()}
    end = SPECIAL_TOKENS[2]
    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    files["tokenizer.json"]["post_processor"] = {
        "type": "TemplateProcessing",
        "single": texts[:1],
        "pair": [texts[0], {"SpecialToken": {"id": end, "type_id": 0}}, texts[1]],
        "special_tokens": {end: {"id": end, "ids": [EOS_TOKEN_ID], "tokens": [end]}},
    }
    files["config.json"]["scores_pairs"] = True
    files["jan_ort.json"] |= {"name": "reference-reranker", "task": "rerank"}
    del files["generation_config.json"]
    return {name: json.dumps(document, indent=1) + "\n" for name, document in files.items()}


def images_files() -> dict[str, str]:
    """Return the text of every file of the folder of the model that reads images, except the chat template."""
    renamed = dict(zip(SPECIAL_TOKENS[-len(IMAGE_TOKENS) :], IMAGE_TOKENS, strict=True))
    text = json.dumps(tokenizer_files())
    for name, other in renamed.items():
        text = text.replace(name, other)
    files = {name: json.loads(document) for name, document in json.loads(text).items()}
    files["config.json"] |= {"reads_images": True, "image_token_id": IMAGE_TOKEN_ID}
    files["jan_ort.json"] |= {"name": "reference-images"}
    return {name: json.dumps(document, indent=1) + "\n" for name, document in files.items()}


def _tokenizer(added: list[dict[str, object]]) -> dict[str, object]:
    """Return the document that ``tokenizers`` reads. Source: huggingface.co/docs/tokenizers."""
    shown = _byte_characters()

    def show(token: bytes) -> str:
        return "".join(shown[b] for b in token)

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    vocab = {shown[b]: b for b in range(256)}
    vocab |= {show(token): token_id for token_id, token in merged_tokens().items()}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab | {str(token["content"]): token["id"] for token in added},
            "merges": [[show(left), show(right)] for left, right in learn_merges()],
        },
    }


def _byte_characters() -> list[str]:
    """Return the printable character that stands for each byte. Source: github.com/openai/gpt-2, encoder.py."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(b if b in printable else next(spare)) for b in range(256)]


def write_files(folder: Path) -> None:
    """Write the files into ``folder``, which exists."""
    _write(folder, tokenizer_files())


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_files(FOLDER)
    _write(RERANKER_FOLDER, reranker_files())
    _write(IMAGES_FOLDER, images_files())
