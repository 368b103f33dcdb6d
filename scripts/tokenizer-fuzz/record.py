"""Writes random texts with the ids that tokenizers 0.22.2 gives them.

    python3 scripts/tokenizer-fuzz/record.py TOKENIZERS COUNT SEED OUT

TOKENIZERS has a folder with tokenizer.json for each tokenizer. The texts mix pieces of the vocabulary,
added tokens, white space, marks, emoji and characters of all planes. Each line of OUT is a list of the
tokenizer's name, the text and the ids.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

MARKS = [*range(0x300, 0x370), 0x483, 0x591, 0x5B0, 0x64B, 0x93C, 0x94D, 0x9CD, 0xE38, 0xE48, 0xF71, 0xF72, 0x1039, 0x1AB0, 0x1ABF, 0x1DC0, 0x20D0, 0x302A, 0x3099, 0x309A, 0xA806, 0xFE20, 0x1D165]
POOLS = [
    [*range(32, 127)],
    [*range(0, 32), *range(127, 161), 0xAD],
    [*range(0xA0, 0x250)],
    MARKS,
    *([*range(*ends)] for ends in [
        (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00), (0x1100, 0x1200), (0xAC00, 0xAC80), (0x1E00, 0x2000),
        (0x2000, 0x2070), (0x2070, 0x2400), (0x2460, 0x2800), (0x3000, 0x3130), (0x3131, 0x3400), (0x4E00, 0x4E80),
        (0xF900, 0xFB20), (0xFB20, 0xFE00), (0xFE00, 0xFFFF), (0x10000, 0x12000), (0x16F00, 0x17000),
        (0x1D400, 0x1D800), (0x1E900, 0x1E960), (0x1F1E6, 0x1F200), (0x2B81F, 0x2B930), (0xE0000, 0xE01F0),
    ]),
    [*range(0x1F300, 0x1F650), 0x200D, 0xFE0F, 0x1F3FB],
    [*range(0x20000, 0x20100), *range(0x2F800, 0x2FA20)],
]  # fmt: skip
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u202f\u3000\u200b\ufeff  "
PIECES = ["'s", "'LL", " 're", "can't", "½", "ﬁ", "İ", "ẞ", "K", "ΑΣ", "\U0001f468\u200d\U0001f469", "a\u0301\u0323", "한국", "①"]  # fmt: skip


def character(r: random.Random) -> str:
    while r.random() < 0.1:
        c = r.randrange(0x110000)
        if not 0xD800 <= c < 0xE000:
            return chr(c)
    return chr(r.choice(r.choice(POOLS)))


def text(r: random.Random, vocabulary: list[str], added: list[str]) -> str:
    parts = []
    is_one_pool, pool = r.random() < 0.5, r.choice(POOLS)
    for _ in range(r.choice([0, 1, 2, 3, 5, 8, 13, 21])):
        kind = r.random()
        if kind < 0.3:
            piece = r.choice(vocabulary)
            parts.append(piece.replace("##", "").replace("\u0120", " ").replace("\u2581", " "))
        elif kind < 0.36:
            parts.append(r.choice(added or [" "]))
        elif kind < 0.5:
            parts.append(r.choice(SPACES))
        elif kind < 0.6:
            parts.append("".join(chr(r.choice(POOLS[0])) for _ in range(r.randrange(1, 6))))
        elif kind < 0.7:
            parts.append(chr(r.choice(MARKS)) * r.randrange(1, 3))
        elif kind < 0.72:
            parts.append(r.choice(PIECES))
        else:
            parts.append(chr(r.choice(pool)) if is_one_pool else character(r))
    return "".join(parts)


def main(root: Path, count: int, seed: int, out: Path) -> None:
    r = random.Random(seed)
    paths = sorted(root.glob("*/tokenizer.json"))
    with out.open("w") as file:
        for place, path in enumerate(paths):
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_truncation()
            tokenizer.no_padding()
            vocabulary = sorted(tokenizer.get_vocab())
            added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
            remaining = count * (place + 1) // len(paths) - count * place // len(paths)
            while remaining > 0:
                texts = [text(r, vocabulary, added) for _ in range(min(remaining, 2000))]
                remaining -= len(texts)
                for one, found in zip(texts, tokenizer.encode_batch(texts)):
                    file.write(json.dumps([path.parent.name, one, found.ids]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
