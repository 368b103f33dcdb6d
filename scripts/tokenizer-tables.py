"""Writes the Unicode tables of the fast tokenizers.

    python3 scripts/tokenizer-tables.py GRAPHEMES OUT

The tables are asked from the library `tokenizers` itself, since its parts use different versions of
Unicode: every code point goes through its normalizers and pre-tokenizers. Only the classes of
grapheme clusters are read from a file: GRAPHEMES is src/tables.rs of the crate
unicode-segmentation that the library is built with. OUT is src/io/tokenizer. Made with tokenizers
0.22.2 and unicode-segmentation 1.12.0.

Numbers are in base 36. A set is a list of gaps and lengths. A mapping is a list of `gap*count target`:
the targets of consecutive code points increase by one, and `*1` is left out.
"""

import re
import sys
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
END = 0x110000
POINTS = [c for c in range(END) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, POINTS))
CATEGORIES = (
    "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%"
SCRIPTS = "Han Hiragana Katakana Hangul Thai".split()


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"


def matched(pattern: str) -> set[int]:
    """The code points that a class of the library's regular expressions matches."""
    split = p.Split(Regex(pattern), "removed", invert=True)
    return {ord(piece) for piece, _ in split.pre_tokenize_str(TEXT)}


def where(accepts) -> set[int]:
    return {c for c in POINTS if accepts(chr(c))}


def drops(normalizer):
    return lambda c: normalizer.normalize_str(f"a{c}b") == "ab"


def pieces(pre_tokenizer, text: str) -> list[str]:
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]


def runs_of(points: set[int]) -> str:
    found, end = [], 0
    begin = None
    for c in sorted(points) + [None]:
        if begin is not None and c != last + 1:
            found += [base36(begin - end), base36(last + 1 - begin)]
            end, begin = last + 1, None
        if begin is None:
            begin = c
        last = c
    return " ".join(found)


def category_runs(category_of: dict[int, int]) -> str:
    found, begin = [], 0
    for c in range(1, END + 1):
        if c == END or category_of.get(c, 0) != category_of.get(begin, 0):
            found.append(base36(c - begin) + LETTERS[category_of.get(begin, 0)])
            begin = c
    return "".join(found)


def mapping(entries: dict[int, list[int]]) -> str:
    found, end = [], 0
    keys = sorted(entries)
    i = 0
    while i < len(keys):
        c, target, count = keys[i], entries[keys[i]], 1
        while len(target) == 1 and entries.get(c + count) == [target[0] + count]:
            count += 1
        times = "" if count == 1 else f"*{base36(count)}"
        found.append(f"{base36(c - end)}{times} {'+'.join(map(base36, target))}")
        end = c + count
        i += count
    return " ".join(found)


FLAG_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%&*"


def flag_runs(sets: list[set[int]]) -> tuple[str, str]:
    """The runs of code points in the same sets: the sets of each letter as bits, and lengths (1 if left out) with letters."""
    flags = [0] * END
    for bit, members in enumerate(sets):
        for c in members:
            flags[c] |= 1 << bit
    runs: list[list[int]] = []
    for flag in flags:
        if runs and runs[-1][1] == flag:
            runs[-1][0] += 1
        else:
            runs.append([1, flag])
    counts: dict[int, int] = {}
    for _, flag in runs:
        counts[flag] = counts.get(flag, 0) + 1
    kinds = sorted(counts, key=lambda flag: -counts[flag])
    letters = dict(zip(kinds, FLAG_LETTERS, strict=False))
    assert len(letters) == len(kinds)
    text = "".join(("" if length == 1 else base36(length)) + letters[flag] for length, flag in runs)
    return " ".join(map(base36, kinds)), text


def case_runs(entries: dict[int, list[int]]) -> str:
    """Runs of characters that change by the same difference: `gap*count difference`, or `gap:count` for every second one."""
    items = sorted(entries.items())
    words = []
    at = end = 0
    while at < len(items):
        c, target = items[at]
        if len(target) > 1:
            words.append(f"{base36(c - end)}+{'+'.join(map(base36, target))}")
            end, at = c, at + 1
            continue
        count, step = 1, 1
        for stride in (1, 2):
            length = 1
            while at + length < len(items) and items[at + length] == (c + length * stride, [target[0] + length * stride]):
                length += 1
            if length > count:
                count, step = length, stride
        difference = target[0] - c
        sign = "-" if difference < 0 else ""
        words.append(f"{base36(c - end)}{'*' if step == 1 else ':'}{base36(count)} {sign}{base36(abs(difference))}")
        end, at = c + count * step, at + count
    return " ".join(words)


def points(text: str) -> list[int]:
    return [ord(c) for c in text]


def covering(decomposed: set[int]) -> set[int]:
    """Joins neighbouring code points over assigned ones without a decomposition, which never get one."""

    def is_settled(c: int) -> bool:
        is_assigned = unicodedata.category(chr(c)) != "Cn" and not 0xAC00 <= c <= 0xD7A3
        return is_assigned and unicodedata.normalize("NFKD", chr(c)) == chr(c)

    covered = set(decomposed)
    ordered = sorted(decomposed)
    for left, right in zip(ordered, ordered[1:]):
        gap = range(left + 1, right)
        if all(map(is_settled, gap)):
            covered.update(gap)
    return covered


def combining_classes(decomposed: dict[int, list[int]]) -> dict[int, int]:
    """Ranks of the combining classes: they only decide the order of marks."""
    nfd = n.NFD()

    def before(a: str, b: str) -> bool:
        """Whether the class of `a` is lower than the class of `b`; both are marks."""
        return nfd.normalize_str(b + a) == a + b

    marks = where(
        lambda c: ord(c) not in decomposed
        and ord(c) >= 0x300
        and (before(c, "\u0345") or before("\u0334", c))
    )
    order: list[list[str]] = []
    for mark in map(chr, sorted(marks)):
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            if before(order[middle][0], mark):
                low = middle + 1
            else:
                high = middle
        if low < len(order) and not before(mark, order[low][0]):
            order[low].append(mark)
        else:
            order.insert(low, [mark])
    return {ord(mark): rank for rank, marks in enumerate(order, 1) for mark in marks}


def grapheme_classes(source: str) -> tuple[dict[str, set[int]], set[int], set[int]]:
    def code(text: str) -> int:
        return int(text, 16)

    table = source[source.index("pub mod grapheme") :]
    found: dict[str, set[int]] = {}
    entry = r"\(\s*'\\u\{(\w+)\}',\s*'\\u\{(\w+)\}',\s*GC_(\w+)\)"
    table = table[: table.index("pub mod", 10)]
    for first, last, name in re.findall(entry, table):
        found.setdefault(name, set()).update(range(code(first), code(last) + 1))
    extend = re.search(r"InCB_Extend_table.*?= &\[(.*?)\];", source, re.S).group(1)
    pairs = re.findall(r"\(\s*'\\u\{(\w+)\}',\s*'\\u\{(\w+)\}'\)", extend)
    extends = {c for first, last in pairs for c in range(code(first), code(last) + 1)}
    linker = re.search(r"fn is_incb_linker.*?matches!\(c,(.*?)\)", source, re.S).group(1)
    return found, extends, {code(c) for c in re.findall(r"\\u\{(\w+)\}", linker)}


def constant(name: str, comment: str, data: str) -> str:
    lines = []
    line = ""
    # Lines end between words, or between the runs of categories.
    for word in re.findall(r"[^ ]+ ?" if " " in data else r"[0-9a-z]*[A-Z#$%&*]", data):
        if len(line) + len(word) > 98:
            lines.append(line.rstrip())
            line = ""
        line += word
    lines.append(line)
    body = "\n".join(lines)
    return f"\n/** {comment} */\nexport const {name}: string = `\n{body}\n`;\n"


def write(path: Path, title: str, constants: list[str]) -> None:
    header = f"/** {title} Generated by scripts/tokenizer-tables.py. */\n"
    path.write_text(header + "".join(constants))


def main(graphemes: Path, out: Path) -> None:
    assert tokenizers.__version__ == "0.22.2", tokenizers.__version__
    category_of = {}
    for index, name in enumerate(CATEGORIES):
        if index > 0:
            category_of.update(dict.fromkeys(matched(rf"\p{{{name}}}"), index))
    of = lambda names: {c for c, i in category_of.items() if CATEGORIES[i] in names.split()}

    spaces = where(lambda c: pieces(p.WhitespaceSplit(), f"a{c}b") == ["a", "b"])
    assert spaces == matched(r"\s") == where(lambda c: pieces(p.Whitespace(), f"a{c}b") == ["a", "b"])
    words = where(lambda c: len(pieces(p.Whitespace(), f"a{c}b")) == 1)
    regex_words = matched(r"\w")
    assert matched(r"\d") == of("Nd")
    plain = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    nfd, nfc, nfkd = n.NFD(), n.NFC(), n.NFKD()
    canonical = {
        c: points(nfd.normalize_str(chr(c)))
        for c in POINTS
        if nfd.normalize_str(chr(c)) != chr(c) and not 0xAC00 <= c <= 0xD7A3
    }
    compatible = {
        c: points(nfkd.normalize_str(chr(c)))
        for c in POINTS
        if nfkd.normalize_str(chr(c)) != nfd.normalize_str(chr(c))
    }
    strips = n.BertNormalizer(**{**plain, "strip_accents": True})
    sets = {
        "REMOVED": ("", where(drops(n.BertNormalizer(**{**plain, "clean_text": True})))),
        "PUNCTUATION": ("Pc Pd Ps Pe Pi Pf Po", where(lambda c: pieces(p.Punctuation(), f"a{c}b") == ["a", c, "b"])),
        "NONSPACING": ("Mn", where(lambda c: ord(c) not in canonical and drops(strips)(c))),
        "MARKS": ("Mn Mc Me", where(drops(n.StripAccents()))),
        "NUMERIC": ("Nd Nl No", where(lambda c: len(pieces(p.Digits(individual_digits=True), f"a{c}b")) == 3)),
        "WORDS": ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", words),
        "CHINESE": ("", where(lambda c: n.BertNormalizer(**{**plain, "handle_chinese_chars": True}).normalize_str(f"a{c}b") != f"a{c}b")),
    }
    constants = [
        constant("CATEGORIES", "General categories: lengths of runs, each with a letter.", category_runs(category_of)),
        constant("SPACES", "White space.", runs_of(spaces)),
    ]
    for name, (names, found) in sets.items():
        comment = f"The difference between {name.lower()} and the categories {names}." if names else f"{name.capitalize()}."
        constants.append(constant(name, comment, runs_of(found ^ of(names))))
    constants.append(constant("REGEX_WORDS", "The difference between \\\\w in regular expressions and words.", runs_of(words ^ regex_words)))
    scripts = {name: matched(rf"\p{{{name}}}") for name in SCRIPTS}
    for name, found in scripts.items():
        constants.append(constant(name.upper(), f"The script {name}.", runs_of(found)))
    write(out / "characters.generated.ts", "Character classes of the parts of tokenizers 0.22.2.", constants)

    letters = {"letter": of("Lu Ll Lt Lm Lo"), "number": of("Nd Nl No")}
    member = {name: found for name, (_, found) in sets.items()}
    flagged = {
        "flags": ("parts for BERT", [spaces, *(member[name] for name in ("REMOVED", "PUNCTUATION", "NONSPACING", "CHINESE"))]),
        "word-flags": ("other parts", [*(member[name] for name in ("MARKS", "NUMERIC")), words, *letters.values()]),
    }
    for name, (parts, members) in flagged.items():
        kinds, runs = flag_runs(members)
        write(
            out / f"{name}.generated.ts",
            f"Flags of characters in the {parts} of tokenizers 0.22.2.",
            [
                constant("KINDS", "The flags of each letter.", kinds),
                constant("RUNS", "Lengths of runs, 1 if left out, each with a letter.", runs),
            ],
        )

    lower = n.Lowercase()
    cases = {c: points(lower.normalize_str(chr(c))) for c in POINTS if lower.normalize_str(chr(c)) != chr(c)}
    write(out / "lowercase.generated.ts", "Lower-case mappings of Unicode 16.", [constant("LOWERCASE", "Runs of characters that change by the same difference, of all or of every second one.", case_runs(cases))])

    ranks = combining_classes(canonical)
    by_rank: dict[int, set[int]] = {}
    for c, rank in ranks.items():
        by_rank.setdefault(rank, set()).add(c)
    excluded = {c for c in canonical if nfc.normalize_str(chr(c)) != chr(c)}
    write(
        out / "normalization.generated.ts",
        "Characters that decompose, and marks of Unicode 9.",
        [
            constant(
                "DECOMPOSED",
                "Ranges with every character that decomposes in Unicode 9, except Hangul, and no later character.",
                runs_of(covering({*canonical, *compatible})),
            ),
            constant("MARKS", "Marks with a combining class in Unicode 9.", runs_of(set(ranks))),
        ],
    )

    write(
        out.parents[2] / "test/io/tokenizer/decompositions.generated.ts",
        "Decompositions of Unicode 9.",
        [
            constant("CANONICAL", "Full canonical decompositions, without Hangul.", mapping(canonical)),
            constant("COMPATIBLE", "Full compatibility decompositions that differ from the canonical ones.", mapping(compatible)),
            constant("EXCLUDED", "Characters that canonical composition never gives.", runs_of(excluded)),
            constant("RANKS", "Marks, from the lowest combining class to the highest.", " / ".join(runs_of(by_rank[rank]) for rank in sorted(by_rank))),
        ],
    )

    classes, extends, linkers = grapheme_classes(graphemes.read_text())
    write(
        out / "graphemes.generated.ts",
        "Classes of grapheme clusters of Unicode 16.",
        [constant(name.upper(), f"{name}.", runs_of(found)) for name, found in sorted(classes.items()) if name not in ("CR", "LF", "ZWJ")]
        + [constant("INCB_EXTEND", "InCB=Extend.", runs_of(extends)), constant("INCB_LINKER", "InCB=Linker.", runs_of(linkers))],
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
