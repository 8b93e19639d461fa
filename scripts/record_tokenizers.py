"""Make a small vocabulary of each kind, and record how llama.cpp tokenizes many texts: tests/fixtures/tokenizers/.

Every text is tokenized with special tokens parsed and no token added, under each name that tokenizer.ggml.pre may have
and with each key that changes a kind. Of every list of ids four hex digits are kept; what differs is shown by
``python -m tests.oracle.tokenizers``, which asks llama.cpp again, with the vocabularies of its source package.

Needs an environment of its own: pip install llama-cpp-python==0.3.36 gguf sentencepiece, and this project.
Run: python -m scripts.record_tokenizers
"""

import json
import random
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from gguf import GGUFWriter
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from jan_ort.convert.tokenizers.sentencepiece import merges_by_score
from jan_ort.convert.tokenizers.splitting import SPLITTINGS
from tests.convert.tokenizers.recorded import FOLDER, RECORDED, digest, texts, with_keys
from tests.oracle.llama_cpp_vocabulary import LlamaCppVocabulary

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
SIZE = 1500
CONTROLS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<end_of_turn>", "<|endoftext|>"]
OWN = ["<tool>", "</tool>", "\n\n\n"]

# What T5's table does, in little: marks join their letters, wide letters become narrow, controls vanish.
NORMALIZED = {
    "\uff21": "A",
    "\uff42": "b",
    "\ufb01": "fi",
    "\u00bd": "1\u20442",
    "\ufdfa": "many letters",
    "\u0001": "",
}
NORMALIZED |= dict.fromkeys("\t\n\r\u00a0\u3000\u200b", " ")
for letter in map(chr, range(0x2000)):
    if " " in (parts := unicodedata.decomposition(letter)) and "<" not in parts:
        once = "".join(chr(int(part, 16)) for part in parts.split())
        NORMALIZED |= {once: letter, unicodedata.normalize("NFD", letter): unicodedata.normalize("NFC", letter)}

SPECIAL = ["<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<end_of_turn>", "<tool>", "</tool>"]
SPECIAL += ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<fim_prefix>", "<0x0A>"]
WORDS = ["the", "quick", "Brown", "foxes'", "123", "4567", "$99.50", "über", "naïve", "你好世界", "こんにちは", "안녕"]
WORDS += ["привет", "مرحبا", "नमस्ते", "🙂🚀", "...", "!!!"]
WORDS += ["don't", "x=1;", "foo_bar", "CamelCase", "HTTPServer", "THEY'RE", "1234567890", "½", "e\u0301"]


def main():
    """Write the vocabularies and the recording."""
    write_texts()
    scored = train_sentencepiece()
    write("sentencepiece", "llama", *scored, bos_token_id=1, eos_token_id=2, unknown_token_id=0, add_bos_token=True)
    merges = [" ".join(pair) for pair in merges_by_score({t: i for i, t in enumerate(scored[0])}, scored[2], scored[1])]
    write("characters", "gemma4", *scored, merges=merges, bos_token_id=1, eos_token_id=2, unknown_token_id=0)
    write_unigram()
    write_wordpiece()
    write_bytes()
    rows, ids = [], {}
    for name, keys in cases():
        with tempfile.TemporaryDirectory() as folder:
            path = with_keys(FOLDER / f"{name.split('/')[0]}.gguf", Path(folder) / "changed.gguf", keys)
            vocabulary = LlamaCppVocabulary(path)
            row = "".join(digest(vocabulary.encode(text)) for text in texts())
            if row not in rows:
                rows.append(row)
            ids[name] = {"keys": keys, "row": rows.index(row), **vocabulary.described()}
    RECORDED.write_text(json.dumps({"ids": ids, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(len(ids), "vocabularies,", len(rows), "of them different,", len(texts()), "texts each")


def write_texts():
    """Write seeded mixtures: of words, spaces and special tokens; of any characters; runs of one."""
    rng = random.Random(5)  # noqa: S311
    mixed = [*WORDS, *SPECIAL, " ", " ", " ", " ", "  ", "\n", "\n"]
    texts = ["".join(rng.choices(mixed, k=rng.randint(1, 25))) for _ in range(120)]
    assigned = [chr(each) for each in range(0x20, 0x30000) if unicodedata.category(chr(each)) not in ("Cn", "Cs")]
    for _ in range(60):
        odd = [rng.choice(assigned) if rng.random() < 0.6 else rng.choice(" aA1.\n") for _ in range(rng.randint(1, 30))]
        texts.append("".join(odd))
    for count in (2, 3, 5, 7, 8, 16, 17, 33):
        texts += [f"x{each * count}y" for each in (" ", "\n", "\t", "-", "a", "0", " \n", "\r\n", "  a")]
    lines = ",\n".join(json.dumps(text) for text in texts)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "texts.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def cases():
    """Yield the name of each vocabulary, and the keys that differ from the file's."""
    yield from ((each, {}) for each in ("sentencepiece", "characters", "unigram", "wordpiece"))
    yield "sentencepiece/no-prefix", {"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_bos_token": False}
    yield "sentencepiece/phi-3", {"general.name": "Phi-3 mini", "tokenizer.ggml.add_eos_token": True}
    yield "unigram/spaces", {"tokenizer.ggml.remove_extra_whitespaces": False}
    yield (
        "unigram/no-prefix",
        {"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.remove_extra_whitespaces": False},
    )
    yield "wordpiece/cased", {"tokenizer.ggml.normalizer.lowercase": False}
    yield "wordpiece/accents", {"tokenizer.ggml.normalizer.strip_accents": False}
    for pre, splitting in SPLITTINGS.items():
        kind = "characters" if splitting.is_spelled else "bytes"
        yield f"{kind}/{pre}", {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre}


def write(name, model, tokens, types, scores=None, merges=None, **keys):
    """Write a file that is a vocabulary and nothing else."""
    writer = GGUFWriter(FOLDER / f"{name}.gguf", "llama")
    writer.add_string("general.name", name)
    writer.add_string("tokenizer.ggml.model", model)
    writer.add_string("tokenizer.ggml.pre", "default")
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", types)
    if scores is not None:
        writer.add_array("tokenizer.ggml.scores", [float(score) for score in scores])
    if merges is not None:
        writer.add_array("tokenizer.ggml.merges", merges)
    for key, value in keys.items():
        if isinstance(value, bool):
            writer.add_bool(f"tokenizer.ggml.{key}", value)
        elif isinstance(value, int):
            writer.add_uint32(f"tokenizer.ggml.{key}", value)
        else:
            writer.add_array(f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def train(**options):
    """Return a trained model of SentencePiece: its pieces with their types and scores, and its table."""
    from sentencepiece import sentencepiece_model_pb2

    with tempfile.TemporaryDirectory() as folder:
        corpus, prefix = Path(folder) / "corpus.txt", Path(folder) / "model"
        plain = [text.replace("\n", " ") for text in texts() if text.isprintable() and max(text, default="") < "\u0500"]
        corpus.write_text("\n".join(plain), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=str(prefix),
            control_symbols=CONTROLS[2:],
            character_coverage=0.99,
            **options,
        )
        proto = sentencepiece_model_pb2.ModelProto.FromString(prefix.with_suffix(".model").read_bytes())
    tokens = [each.piece for each in proto.pieces]
    types = [each.type for each in proto.pieces]
    return (tokens, types, [each.score for each in proto.pieces]), proto.normalizer_spec.precompiled_charsmap


def train_sentencepiece():
    """Return a vocabulary like Llama 2's."""
    vocabulary, _ = train(
        model_type="bpe",
        vocab_size=SIZE + 256,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=OWN[:2],
    )
    return vocabulary


def write_unigram():
    """Write a vocabulary like that of T5 and XLM-RoBERTa, with tokens that only fill it up."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        changed = [pair for pair in NORMALIZED.items() if pair[0] != pair[1]]
        spelled = [[" ".join(f"{ord(each):x}" for each in text) for text in pair] for pair in changed]
        rules.write_text("".join("\t".join(pair) + "\n" for pair in spelled), encoding="utf-8")
        (tokens, types, scores), table = train(
            model_type="unigram",
            vocab_size=SIZE,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(rules),
            user_defined_symbols=OWN[:2],
        )
    tokens, types, scores = [*tokens, "[PAD1]", "[PAD2]"], [*types, 5, 5], [*scores, -1000.0, -1000.0]
    flags = {"add_space_prefix": True, "remove_extra_whitespaces": True, "add_bos_token": True, "add_eos_token": True}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    write("unigram", "t5", tokens, types, scores, precompiled_charsmap=bytes(table), **flags, **ids)


def write_wordpiece():
    """Write a vocabulary like BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts(), trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special))
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda each: each[1])
    tokens = [
        each if each in special else each.removeprefix("##") if each.startswith("##") else f"▁{each}"
        for each, _ in pieces
    ]
    types = [CONTROL if each in special else NORMAL for each, _ in pieces]
    ids = {"bos_token_id": 2, "seperator_token_id": 3, "unknown_token_id": 1, "padding_token_id": 0}
    write("wordpiece", "bert", tokens, types, **ids)


def write_bytes():
    """Write a vocabulary like GPT-2's, whose merges were learned without any splitting of words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\x00", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    short = [text for text in texts() if len(text) < 200]
    tokenizer.train_from_iterator(short, trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet))
    model = json.loads(tokenizer.to_str())["model"]
    # By their names the last two are control tokens, though the file does not say so. Some may have been learned.
    special = (
        dict.fromkeys(CONTROLS, CONTROL)
        | dict.fromkeys(OWN, USER_DEFINED)
        | {"<|end|>": NORMAL, "<fim_prefix>": NORMAL}
    )
    tokens = list(dict.fromkeys([*model["vocab"], *special]))
    types = [special.get(token, NORMAL) for token in tokens]
    merges = [" ".join(pair) for pair in model["merges"]]
    write(
        "bytes",
        "gpt2",
        tokens,
        types,
        merges=merges,
        bos_token_id=tokens.index("<s>"),
        eos_token_id=tokens.index("</s>"),
    )


if __name__ == "__main__":
    main()
