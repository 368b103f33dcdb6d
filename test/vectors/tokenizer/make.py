"""Makes cases.jsonl: texts and the ids a plain restatement of BertTokenizer gives for vocab.txt.

Run `python3 make.py > cases.jsonl` with Python 3.11 (Unicode 14.0.0). It shares no code with the
library: cleaning, case and accents are Python's own `str` and `unicodedata`, which the original uses.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHINESE = re.compile(
    "([\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f])"
)


def is_punctuation(character):
    ascii_symbol = character.isascii() and not character.isalnum() and character > " "
    return ascii_symbol or unicodedata.category(character).startswith("P")


def clean(text):
    kept = ""
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            kept += " "
        elif character != "\ufffd" and not category.startswith("C"):
            kept += character
    return kept


def words(text):
    text = "".join(character.lower() for character in text)
    text = unicodedata.normalize("NFC", CHINESE.sub(r" \1 ", clean(text)))
    for token in text.split():
        bare = "".join(
            character
            for character in unicodedata.normalize("NFD", token.lower())
            if unicodedata.category(character) != "Mn"
        )
        spaced = "".join(f" {c} " if is_punctuation(c) else c for c in bare)
        yield from spaced.split()


def pieces(vocabulary, word):
    if len(word) > 100:
        return ["[UNK]"]
    found = []
    rest = word
    while rest:
        mark = "##" if found else ""
        prefixes = [rest[:end] for end in range(len(rest), 0, -1)]
        piece = next((p for p in prefixes if mark + p in vocabulary), None)
        if piece is None:
            return ["[UNK]"]
        found.append(mark + piece)
        rest = rest[len(piece) :]
    return found


def ids(vocabulary, text):
    tokens = []
    for part in re.split(r"(\[(?:PAD|UNK|CLS|SEP|MASK)\])", text):
        if part in SPECIAL:
            tokens.append(part)
        else:
            tokens += [piece for word in words(part) for piece in pieces(vocabulary, word)]
    return [vocabulary[token] for token in tokens]


def truncate(first, second, max_length):
    if max_length is None:
        return first, second
    if second is None:
        surplus = len(first) + 2 - max_length
        # The original reports an error and truncates nothing when nothing would be left.
        return first[:-surplus] if 0 < surplus < len(first) else first, None
    for _ in range(len(first) + len(second) + 3 - max_length):
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return first, second


def encode(vocabulary, text, pair, max_length):
    first = ids(vocabulary, text)
    second = None if pair is None else ids(vocabulary, pair)
    first, second = truncate(first, second, max_length)
    start, end = vocabulary["[CLS]"], vocabulary["[SEP]"]
    head = [start, *first, end]
    tail = [] if second is None else [*second, end]
    return head + tail, [0] * len(head) + [1] * len(tail)


TEXTS = [
    "The gardener pruned the trees on the wall.",
    "PRUNING  branches\tin\nthe\rgarden",
    "",
    " ",
    "\u00a0\u2003\u3000",
    "Café naïve ÜBER",
    "cafe\u0301 u\u0308ber",
    "Straße STRASSE straẞe",
    "İstanbul ISTANBUL ıstanbul",
    "ΣΟΦΟΣ σοφος σοφοσ ΣΟΦΟΣ.",
    "東京タ カタ 中文 a中b",
    "가 각 \u1100\u1161 \u1100\u1161\u11a8",
    "é \u1ebd½² x²",
    "☃ 😀 👩\u200d👩 ☃️",
    "tr\u00adee tr\u200bee tr\u200dee tree\ufeff tr\u0000ee tr\u0007ee bad\ufffd",
    "tree\u2028trees\u2029wall tree\u0085wall tree\u000bwall tree\u001cwall",
    "\ue000tree \U000f0000 \U0010ffff \u0378 \ufdd0",
    "\U0001fae8 \U0001f6dc \U0001e4d0 new",
    "ｔｒｅｅ tree。 ！ tree！",
    "¡tree! —wall… «flat»",
    "a,b;c d_e f@x #1 1/2 (a) [b] {c} $a+b=c<d>e^`~|\\",
    "[MASK]",
    "the[MASK]tree [mask] [Mask] [MASK",
    "[CLS][SEP] [PAD]x[UNK]",
    "[[MASK]] [MA\u200bSK] [MASK]\u0301e",
    "[unused] ##s #s",
    "x" * 100,
    "x" * 101,
    "e\u0301" * 100,
    "😀" * 101,
    "xqx treeq qtree",
    "don't 'tree' \"wall\"",
    "\u0301\u0302 \u0301tree",
    "ǅ ǈ ﬁ Ⅷ ℡ K Å Ω",
    "\U0001d4d0 \U00010400 \U00016e40",
    "a\u1734b a\u0903b a\u20ddb a\U0001171eb",
    "\uf900 \U0002f800 \U00030000 \u9fff \u3007 \u3105",
    "\ud83d tree\ude00 \u180e \u2800 \u3164 \u115f",
]
PAIRS = [
    ("the tree", "", None),
    ("", "", None),
    ("", "the wall", None),
    ("the tree is flat", "on the wall", None),
    ("[SEP] a", "b [SEP]", None),
]
TRUNCATED = [
    (text, pair, length)
    for text, pair in [
        ("the tree is on the wall in the garden", None),
        ("the tree is on", "the wall in the garden"),
        ("the wall in the garden is flat", "the tree"),
        ("the tree", "the wall in the garden is flat"),
        ("pruned trees", "branches"),
        ("", "the tree is flat"),
    ]
    for length in range(1, 12)
]


def main():
    lines = Path(__file__).with_name("vocab.txt").read_text("utf-8").splitlines()
    vocabulary = {token: index for index, token in enumerate(lines)}
    for text, pair, length in [*((text, None, None) for text in TEXTS), *PAIRS, *TRUNCATED]:
        input_ids, types = encode(vocabulary, text, pair, length)
        case = dict(
            text=text,
            text_pair=pair,
            max_length=length,
            input_ids=input_ids,
            token_type_ids=types,
        )
        print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    sys.exit(main())
