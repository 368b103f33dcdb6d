"""Records what the parts of Hugging Face's tokenizers 0.22.2 do with random texts.

    python3 scripts/tokenizer-vectors.py SEED TEXTS OUT

OUT becomes JSON: `normalizers` and `pre_tokenizers` with pairs of a text and its result, and
`tokenizers`, small complete ones, with texts, an optional second text, a length, ids and types.
test/io/tokenizer/vectors.json is made with seed 1 and 24 texts.
"""

import base64
import json
import random
import struct
import sys
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders as d
from tokenizers import models as m
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p
from tokenizers import processors as post

POOLS = [
    *[range(32, 127)] * 6,
    range(0, 32),
    range(0x7F, 0x180),
    [*range(0x300, 0x346), 0x591, 0x64B, 0x94D, 0xE38, 0x1ABF, 0x1DC0, 0x3099, 0x1D165],
    range(0x370, 0x530),
    range(0x900, 0xA00),
    [*range(0x1100, 0x1120), *range(0x1161, 0x1180), *range(0x11A7, 0x11C3)],
    range(0xAC00, 0xAC40),
    range(0x1E00, 0x2100),
    range(0x2150, 0x2190),
    range(0x2460, 0x2490),
    range(0x3000, 0x3130),
    range(0x4E00, 0x4E20),
    [*range(0x2B81E, 0x2B824), *range(0x2B91E, 0x2B924)],
    range(0xF900, 0xF920),
    range(0xFB00, 0xFB40),
    range(0xFDF0, 0xFE10),
    range(0xFE60, 0xFFF0),
    range(0x1D400, 0x1D480),
    [*range(0x1F1E6, 0x1F1F0), 0x200D, 0xFE0F, *range(0x1F466, 0x1F46A), 0x1F3FB],
    range(0xE0000, 0xE0080),
]
PIECES = ["'s", "'LL", "``", "''", "  ", " ", "\n\n", "-", "--", "12", "½", "İ", "ΑΣ", "ﬁ", "can't", "▁", "<m>", "[E]"]


def text(r: random.Random) -> str:
    parts = []
    pool = r.choice(POOLS)
    for _ in range(r.choice([0, 1, 2, 4, 7, 12])):
        kind = r.random()
        if kind < 0.3:
            parts.append(r.choice(PIECES))
        elif kind < 0.6:
            parts.append(chr(r.choice(pool)))
        elif kind < 0.95:
            parts.append(chr(r.choice(r.choice(POOLS))))
        else:
            parts.append(r.choice("abXY ") * r.randrange(1, 12))
    return "".join(parts)


def character_map() -> str:
    """A small map in the format of SentencePiece: characters of one to five bytes."""
    entries = {"ﬁ": "fi", "①": "1", "a\u0301": "á", "\u3000": " ", "½": "1⁄2", "\u00ad": "", "É": "e", "가": "ga", "😀": ":)", "e\u0301\u0323": "x"}
    blob, offsets = b"", {}
    for key, value in entries.items():
        offsets[key.encode()] = len(blob)
        blob += value.encode() + b"\0"
    trie: dict = {}
    for key, offset in offsets.items():
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = offset
    units = [0] * 0x40000
    used = {0}

    def place(node: dict, at: int) -> None:
        labels = sorted(byte for byte in node if byte is not None)
        base = at ^ 1
        while any(base ^ x in used for x in [*labels, *([0] if None in node else [])]) or base in (0, at):
            base += 1
        offset = at ^ base
        assert offset < 1 << 21
        units[at] |= offset << 10 | (1 << 8 if None in node else 0)
        if None in node:
            used.add(base)
            units[base] = node[None] | 1 << 31
        for label in labels:
            used.add(base ^ label)
            units[base ^ label] |= label
        for label in labels:
            place(node[label], base ^ label)

    place(trie, 0)
    size = (max(used) | 0xFF) + 1
    data = struct.pack("<I", size * 4) + struct.pack(f"<{size}I", *units[:size]) + blob
    return base64.b64encode(data).decode()


def normalizers() -> list:
    precompiled = n.Precompiled(base64.b64decode(character_map()))
    bert = [
        n.BertNormalizer(clean_text=a, handle_chinese_chars=b, strip_accents=c, lowercase=e)
        for a, b, c, e in [(True, True, None, True), (True, False, True, False), (False, True, False, True)]
    ]
    simple = [n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Nmt(), n.ByteLevel()]
    more = [
        n.Strip(),
        n.Strip(left=True, right=False),
        n.Strip(left=False, right=True),
        n.Prepend("▁"),
        n.Replace(" ", "▁"),
        n.Replace("``", '"'),
        n.Replace(Regex(r" {2,}"), " "),
        n.Replace(Regex(r"\s+|[-a-f]"), ""),
        n.Replace(Regex(r"a*"), "_"),
        precompiled,
        n.Sequence([n.NFKD(), n.StripAccents(), n.Lowercase()]),
        n.Sequence([n.Strip(), n.NFKC(), n.Replace(Regex(r"\p{P}"), "."), precompiled]),
    ]
    return [*bert, *simple, *more]


EXPRESSIONS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}|\s+",
    r"\w+|[^\w\s]+",
    r"\b",
    r"[\p{Han}\p{Hiragana}\p{Katakana}]+",
    r"\d|\D\D?",
    r"[[:punct:]]|[^[:punct:]&&\w]",
    r"(?<=[a-z])(?=[A-Z])",
    r"^.|.$",
    r"a++|b{,2}c?|\p{^L}{2,}",
    r"(?>\s+)-|[\x{41}-\x{5a}\u00e9]",
]


def pre_tokenizers() -> list:
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    return [
        p.BertPreTokenizer(),
        p.Whitespace(),
        p.WhitespaceSplit(),
        *[p.Punctuation(b) for b in behaviors],
        p.Digits(True),
        p.Digits(False),
        *[p.Split("-", b, invert=i) for b in behaviors for i in (False, True)],
        *[p.Split(Regex(r"[ab ]+"), b, invert=i) for b in behaviors for i in (False, True)],
        *[p.Split(Regex(e), "isolated") for e in EXPRESSIONS],
        p.CharDelimiterSplit("-"),
        *[p.Metaspace("▁", s, x) for s in ("always", "first", "never") for x in (True, False)],
        *[p.ByteLevel(a, True, u) for a in (True, False) for u in (True, False)],
        p.FixedLength(3),
        p.Sequence([p.WhitespaceSplit(), p.Metaspace("▁", "first")]),
        p.Sequence([p.Punctuation("isolated"), p.Metaspace("_", "always", False), p.Digits(True)]),
        p.Sequence([p.Split(Regex(r"\p{N}"), "isolated"), p.ByteLevel(False, True, True)]),
    ]


def bpe(**options) -> m.BPE:
    alphabet = [*"abXY -12'", "▁", "é", "<0xE2>", "<0x96>", "<0x81>", "<unk>"]
    prefix = options.get("continuing_subword_prefix") or ""
    suffix = options.get("end_of_word_suffix") or ""
    tokens = [*alphabet]
    tokens += [prefix + c for c in alphabet if prefix] + [prefix + c + suffix for c in alphabet if suffix]
    merges = []
    for a, b in ["ab", "aa", "bb", "XY", "12", "1 ", "--"]:
        merges.append((a, prefix + b))
        tokens.append(a + b)
    for a, b in [("ab", "a"), ("aa", "b"), ("12", "1"), ("ab", "bb")]:
        right = prefix + b
        if right in tokens:
            merges.append((a, right))
            tokens.append(a + b)
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return m.BPE(vocabulary, merges, **options)


def complete() -> list[Tokenizer]:
    words = ["[UNK]", "[CLS]", "[SEP]", *"abXY-12'", "##a", "##b", "ab", "##ab", "é", "##é", "一", "▁", "▁a", "<m>"]
    piece = m.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]", max_input_chars_per_word=9)
    scores = [("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("▁a", -3.5), ("b", -3.5), ("ab", -4.0), ("aba", -6.0), ("X", -4.0), ("12", -5.0)]
    bytes_too = [(f"<0x{b:02X}>", -9.0) for b in range(256)]
    template = post.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    found = []

    def add(model, normalizer=None, pre=None, processor=None, decoder=None, added=()):
        one = Tokenizer(model)
        if normalizer is not None:
            one.normalizer = normalizer
        if pre is not None:
            one.pre_tokenizer = pre
        if processor is not None:
            one.post_processor = processor
        if decoder is not None:
            one.decoder = decoder
        one.add_tokens(list(added))
        found.append(one)

    flags = [
        AddedToken("<m>", lstrip=True, normalized=False, special=True),
        AddedToken("[E]", rstrip=True, special=False, normalized=True),
        AddedToken("can't", single_word=True, normalized=True),
        AddedToken("XY", single_word=True, lstrip=True, rstrip=True, normalized=False),
        AddedToken("--", normalized=True),
        AddedToken("Q", normalized=True),
    ]
    add(piece, n.BertNormalizer(), p.BertPreTokenizer(), template, d.WordPiece(), flags)
    add(piece, None, p.Whitespace(), post.BertProcessing(("[SEP]", 2), ("[CLS]", 1)), d.WordPiece(cleanup=False))
    add(m.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"), n.Lowercase(), p.Digits(True), None, None, flags[:3])
    add(bpe(unk_token="<unk>"), None, p.Whitespace(), None, d.BPEDecoder())
    add(bpe(unk_token="<unk>", fuse_unk=True), n.NFKC())
    add(bpe(unk_token="<unk>", byte_fallback=True, fuse_unk=True), n.Replace(" ", "▁"), None, post.RobertaProcessing(("b", 1), ("a", 0)), d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse()]))
    add(bpe(unk_token="<unk>", ignore_merges=True), None, p.WhitespaceSplit())
    add(bpe(unk_token="<unk>", continuing_subword_prefix="##"), None, p.WhitespaceSplit())
    add(bpe(unk_token="<unk>", end_of_word_suffix="</w>"), None, p.WhitespaceSplit(), None, d.BPEDecoder())
    add(bpe(), None, p.ByteLevel(True), post.RobertaProcessing(("b", 1), ("a", 0)), d.ByteLevel())
    add(m.Unigram(scores, 0, False), n.NFKC(), p.Metaspace(), template, d.Metaspace(), flags)
    add(m.Unigram([*scores, *bytes_too], 0, True), None, p.Metaspace("▁", "first"), None, d.Sequence([d.ByteFallback(), d.Metaspace()]), flags)
    add(m.Unigram(scores, 0, False))
    return found


def main(seed: int, count: int, out: Path) -> None:
    assert tokenizers.__version__ == "0.22.2", tokenizers.__version__
    r = random.Random(seed)
    result = {"normalizers": [], "pre_tokenizers": [], "tokenizers": []}
    for one in normalizers():
        state = json.loads(one.__getstate__())
        texts = [text(r) for _ in range(count)]
        result["normalizers"].append([state, [[t, one.normalize_str(t)] for t in texts]])
    for one in pre_tokenizers():
        state = json.loads(one.__getstate__())
        texts = [t for t in (text(r) for _ in range(count)) if t != ""]
        cases = [[t, [piece for piece, _ in one.pre_tokenize_str(t)]] for t in texts]
        result["pre_tokenizers"].append([state, cases])
    for one in complete():
        cases = []
        for _ in range(count):
            pair = text(r) if r.random() < 0.4 else None
            first, length = text(r), r.choice([None, None, 1, 3, 6, 9])
            if length is None:
                one.no_truncation()
            else:
                one.enable_truncation(length, direction=r.choice(["left", "right"]))
            side = (one.truncation or {}).get("direction")
            special = r.random() < 0.8
            found = one.encode(first, pair, add_special_tokens=special)
            decoded = one.decode(found.ids, skip_special_tokens=False)
            cases.append([first, pair, length, side, special, found.ids, found.type_ids, decoded])
        one.no_truncation()
        result["tokenizers"].append([json.loads(one.to_str()), cases])
    lines = [
        f'"{key}": [\n' + ",\n".join(json.dumps(v, separators=(",", ":")) for v in values) + "\n]"
        for key, values in result.items()
    ]
    out.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
