"""Record how llama.cpp tokenises many odd texts with SmolLM2's vocabulary: tests/fixtures/smollm2/tokens.json.

Every text is also tokenised with the other pre-tokenizers that we support, by giving llama.cpp the same vocabulary
under another name in tokenizer.ggml.pre. The ids are those of special tokens parsed and no token added.

Needs an environment of its own: pip install llama-cpp-python==0.3.36 gguf
Run: python scripts/record_smollm2_tokens.py SmolLM2-135M-Instruct.Q4_1.gguf
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import llama_cpp
from gguf import GGUFReader, GGUFValueType, GGUFWriter

TARGET = Path(__file__).parent.parent / "tests" / "fixtures" / "smollm2" / "tokens.json"
PRE_TOKENIZERS = ("smollm", "gpt-2", "default", "llama-bpe", "qwen2")

SENTENCES = """
The quick brown fox jumps over the lazy dog, and nobody's surprised.
Der schnelle braune Fuchs springt über den faulen Hund; größer wäre übertrieben.
Le cœur a ses raisons que la raison ne connaît point, n'est-ce pas ?
¿Dónde está la biblioteca más próxima? ¡Qué alegría verte, niño!
A menina comeu três maçãs e não disse nada à mãe.
Perché l'acqua del fiume è così fredda questa mattina?
De kat zat op de mat en keek naar de regen in 's-Hertogenbosch.
Blåbærsyltetøy smager godt på en skive rugbrød.
Räksmörgåsar och kaffe på en brygga vid havet.
Kissa istuu ikkunalaudalla ja katselee lumisadetta hämärässä.
Þetta er íslensk setning með öllum skrítnu stöfunum: ð, þ, æ, ö.
Zażółć gęślą jaźń, powiedział chrząszcz w Szczebrzeszynie.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Árvíztűrő tükörfúrógép működik a műhelyben.
Măr roșu și pâine caldă în fiecare dimineață.
Ljubičasti cvjetovi rastu pokraj ceste u Đakovu.
Gegužės rytą ąžuolas šnarėjo vėjyje.
Glāžšķūņa rūķīši dzērumā čiepj Baha koncertflīģeļu vākus.
Pijamalı hasta yağız şoföre çabucak güvendi.
Съешь же ещё этих мягких французских булок, да выпей чаю.
Чуєш їх, доцю, га? Кумедна ж ти, прощайся без ґольфів!
Под южно дърво, цъфтящо в синьо, бягаше малко пухкаво зайче.
Η ταχεία καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.
שלום לכולם, מה שלומכם היום? זה משפט בעברית.
السلام عليكم ورحمة الله، كيف حالك اليوم؟
سلام دنیا! این یک جملهٔ فارسی است با نیم‌فاصله.
آج موسم بہت اچھا ہے، چلو باغ میں چلیں۔
नमस्ते दुनिया, आज मौसम बहुत अच्छा है।
আমি বাংলায় গান গাই, আমি বাংলার গান গাই।
வணக்கம் உலகம், இன்று வானிலை நன்றாக உள்ளது.
నమస్కారం ప్రపంచం, ఈ రోజు వాతావరణం బాగుంది.
ສະບາຍດີຊາວໂລກ ມື້ນີ້ອາກາດດີ
สวัสดีชาวโลก วันนี้อากาศดีมากเลย
မင်္ဂလာပါ ကမ္ဘာလောက
សួស្តី​ពិភពលោក ថ្ងៃនេះ​អាកាសធាតុ​ល្អ
你好，世界！今天天气很好，我们去公园散步吧。
繁體中文的句子：臺灣的夜市非常熱鬧。
こんにちは世界。今日は良い天気ですね、カタカナも書きます。
안녕하세요 세계, 오늘은 날씨가 아주 좋네요.
Xin chào thế giới, hôm nay trời đẹp quá phải không?
Halo dunia, cuaca hari ini sangat bagus untuk berjalan-jalan.
Habari ya dunia, leo hali ya hewa ni nzuri sana.
Sawubona mhlaba, namhlanje izulu lihle kakhulu.
Kaixo mundua, gaur eguraldi ona dugu.
Mae'r ci yn rhedeg dros y bryn ger Llanfairpwllgwyngyll.
Tá an aimsir go hálainn inniu, buíochas le Dia.
Գիրքը սեղանի վրա է, իսկ կատուն՝ աթոռի տակ։
გამარჯობა მსოფლიო, დღეს კარგი ამინდია.
ሰላም ዓለም፣ ዛሬ አየሩ ጥሩ ነው።
Сайн байна уу, өнөөдөр цаг агаар сайхан байна.
སྐད་ཡིག་གི་ཚིག་གྲུབ་གཅིག
ᐃᓄᒃᑎᑐᑦ ᐅᖃᐅᓯᖅ
""".strip().split("\n")

ODDITIES = [
    "",
    " ",
    "  ",
    "\n",
    "\t",
    "\r",
    "\r\n",
    "\n\n\n",
    "\r\n\r\n  \r",
    " \n \n ",
    "a",
    " a",
    "a ",
    "  leading spaces and\ttabs\n\n\nnewlines   ",
    "trailing newline\n",
    "x" * 300,
    "ab" * 200,
    " " * 257,
    "\n" * 65,
    "!" * 100,
    "=" * 77 + "\n" + "-" * 77,
    "0" * 50,
    "1234567890 12 345 3.14159 1e-5 0xDEADBEEF 1,000,000",
    "$1,234.56 €99 £5 ¥1000 50% 20°C",
    "don't I'll we've THEY'RE it's 'tis y'all'd've O'Neill's '90s ''quoted''",
    "DON'T I'LL WE'VE I'M HE'D",
    "\u2019s \u2018quoted\u2019 \u201cdouble\u201d don\u2019t",
    "naïve café — “quotes” … résumé",
    "e\u0301 vs é, n\u0303 vs ñ, A\u030a vs Å",
    "a\u0301\u0302\u0303\u0304\u0305b",
    "Z̸̢a̴l̵g̷o̶ t̸e̵x̷t̶",
    "\u0301 starts with a combining mark",
    "١٢٣ ४५६ ²³ Ⅷ ½ ¾ ① ㊿ 一二三",
    "𝟙𝟚𝟛 𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𝐛𝐨𝐥𝐝",
    "๑๒๓ ᠑᠒᠓ 𞥐𞥑",
    "🙂🚀👨‍👩‍👧🏳️‍🌈👍🏽🇳🇴🇯🇵",
    "👩🏾‍🚀 👨‍❤️‍💋‍👨 ❤️ ❤ ☺️ 1️⃣ #️⃣",
    "text🙂text 🙂 text🙂🙂🙂",
    "\x00",
    "\x00\x01\x7f",
    "a\x00b\x1bc\x08d",
    "\x1b[31mred\x1b[0m",
    "\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
    "a\u00a0b\u2003c\u3000d",
    "zero\u200bwidth\u200cnon\u200djoiner\ufeffbom",
    "\ufeffstarts with a byte order mark",
    "left \u202eright to left\u202c left",
    "שלום abc שלום 123 עולם",
    "\ufffd replacement \ufffe \uffff nonchars",
    "\U0010ffff \U000e0001 \U0001f468",
    "\ue000 private use \uf8ff",
    "ﬁ ﬂ ﬀ ﬃ ligatures, ＦＵＬＬ ｗｉｄｔｈ, ﾊﾝｶｸ",
    "İstanbul ı ſ ß ẞ Ǆ ǅ ǆ",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|>x<repo_name>y",
    "<|endoftext|><|endoftext|>",
    " <|im_end|> ",
    "a<|im_end|>b <|im_end|> c\n<|im_end|>\n",
    "<|im_start|",
    "<|im_start |>",
    "<<|im_start|>>",
    "<|IM_START|>",
    "<file_sep><filename>a.py<gh_stars>3<issue_start>q<issue_comment>r<issue_closed>",
    "<jupyter_start><jupyter_text>t<jupyter_code>c<jupyter_output>o<jupyter_script>s<empty_output>",
    "<reponame>r/r</s><s><unk>[INST]",
    "def f(x):\n    return x**2  # comment\n",
    "class A:\n\tdef __init__(self):\n\t\tself.x = [i for i in range(10) if i % 2]\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * c[i]; }\n",
    "if (x && !y || z) { return x >>> 2 ^ ~y; }",
    '<html>\n  <body class="x">&nbsp;&lt;p&gt;</body>\n</html>',
    "SELECT * FROM t WHERE a = 'b''c' AND d <> 3; -- note",
    '{"key": [1, 2.5, -3e10, true, null], "nested": {"a\\n": "\\u00e9"}}',
    'fn main() { println!("{:?}", vec![1u8; 3].iter().map(|x| x + 1).collect::<Vec<_>>()); }',
    "#!/bin/sh\nset -eu\nfor f in *.txt; do echo \"$f\" | sed 's/a/b/g' >> out; done\n",
    "\\begin{equation} E = mc^2 \\label{eq:1} \\end{equation}",
    "https://example.com/path?query=a%20b&c=d#frag user@example.org C:\\Users\\x\\file.txt",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n* item\n  * nested\n\n> quote\n\n```py\nx = 1\n```\n",
    "CamelCaseIdentifier snake_case_name kebab-case-name SCREAMING_SNAKE $var @decorator",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "    four spaces\n        eight spaces\n\ttab\n  \t mixed",
    "a  b   c    d     e      f",
    "a \n b  \n  c\t\n\td",
    "word\u00adwith\u00adsoft\u00adhyphens",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, ∑ᵢ aᵢ ≠ ∏ bⱼ → ∞",
    "♔♕♖♗♘♙ ♠♥♦♣ ☃ ☠ ✂ ✈",
    "┌──┬──┐\n│  │  │\n└──┴──┘ ░▒▓█",
    "Hello world",
    "Hello, world!",
    "Once upon a time",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "v1.2.3-rc.4+build.5",
    "2024-02-29T23:59:60Z",
    "+47 123 45 678",
]


def random_texts(count):
    """Return seeded mixtures of letters of several scripts, digits, spaces and pictures."""
    rng = random.Random(1)  # noqa: S311
    ranges = [(32, 126), (32, 126), (160, 0x24F), (0x300, 0x36F), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A)]
    ranges += [(0x900, 0x97F), (0xE01, 0xE3A), (0x2000, 0x206F), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF)]
    texts = []
    for _ in range(count):
        length = rng.randint(1, 40)
        choices = [lambda: chr(rng.randint(*rng.choice(ranges))), lambda: rng.choice(" \n\t  07'<|")]
        texts.append("".join(rng.choices(choices, [4, 1])[0]() for _ in range(length)))
    return texts


def main():
    """Write the fixture."""
    texts = list(dict.fromkeys(SENTENCES + ODDITIES + random_texts(200)))
    source = GGUFReader(sys.argv[1])
    rows = [{"text": text, "ids": {}} for text in texts]
    for pre in PRE_TOKENIZERS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vocabulary.gguf"
            write_vocabulary(source, path, pre)
            model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
            for row in rows:
                ids = model.tokenize(row["text"].encode(), add_bos=False, special=True)
                row["ids"][pre] = ids
                if pre == "smollm":
                    row["round_trips"] = model.detokenize(ids, special=True) == row["text"].encode()
    lines = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows)
    TARGET.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(len(rows), "texts;", sum(row["round_trips"] for row in rows), "of them round-trip")


def write_vocabulary(source, path, pre):
    """Write the metadata of ``source`` without its tensors, with another pre-tokenizer."""
    writer = GGUFWriter(path, "llama")
    for key, field in source.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = pre if key == "tokenizer.ggml.pre" else field.contents()
        kind = field.types[0]
        if kind == GGUFValueType.ARRAY:
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


if __name__ == "__main__":
    main()
