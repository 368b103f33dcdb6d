"""Records what transformers 4.57.1 makes of the files beside a tokenizer.

    python3 scripts/tokenizer-settings.py OUT

OUT becomes `contents`, the texts of files, and `cases`: the files of a directory by their index in
`contents`, the kind of tokenizer, texts with ids, or the error. test/io/tokenizer/settings.json is made with it.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer, BertTokenizer

transformers.logging.set_verbosity(logging.CRITICAL)

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film é e E [ ] e1 1 Good FILM <x> 一 : ##1 ##s".split()
TEXTS = [
    "[E1] good film",
    "Good [e1] FILM[E1] é E",
    "a[MASK] b [mask]<x> <X>  good",
    "good 一good a: [ E1 ] goodlol lol good [E2]lol",
    "<left>  a <left> film\u0085a [CLS] a[SEP]",
    "A GOOD\u00a0FILM bad",
    "x[MASK]\u00a0[MASK]\u00a0x good, film [MASK] 一[MASK]good",
    "[MA\u200bSK] <\u200bx> ] <x>good  <x>",
]
PAIR = ("good film a bad good", "film bad a a good film good")


def token(content: str, **flags) -> dict:
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
    return {"content": content, **plain, **flags}


def specials() -> dict:
    return {str(i): token(WORDS[i], normalized=False, special=True) for i in range(5)}


def tokenizer_json(lowercase: bool = True, added=(), **options) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    one = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]", max_input_chars_per_word=100))
    one.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **options)
    one.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    one.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    one.decoder = decoders.WordPiece()
    one.add_tokens([AddedToken(w, normalized=False, special=True) for w in WORDS[:5]])
    one.add_tokens([AddedToken(t["content"], **{k: v for k, v in t.items() if k != "content"}) for t in added])
    return one.to_str()


def byte_level(prefix: bool) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers

    one = Tokenizer(models.BPE({w: i for i, w in enumerate(["<s>", "Ġ", "a", "b", "Ġa", "<mask>"])}, [("Ġ", "a")]))
    one.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    return one.to_str()


E1 = token("[E1]", normalized=False, special=True)
OTHERS = [
    token("lol", single_word=True, normalized=False),
    token("<left>", lstrip=True, rstrip=True),
    token("[E2]", rstrip=True, special=True, normalized=False),
]


def configs() -> list[tuple[str, dict, dict]]:
    """Names, tokenizer_config.json and other files."""
    bert = {"tokenizer_class": "BertTokenizer"}
    decoder = {**specials(), **{str(23 + i): t for i, t in enumerate([E1, *OTHERS])}}
    flagged = {**specials(), "4": token("[MASK]", lstrip=True, normalized=False, special=True)}
    return [
        ("plain", bert, {}),
        ("cased", {**bert, "do_lower_case": False}, {}),
        ("keeps accents", {**bert, "strip_accents": False}, {}),
        ("cased, strips accents", {**bert, "do_lower_case": False, "strip_accents": True}, {}),
        ("joins chinese", {**bert, "tokenize_chinese_chars": False}, {}),
        ("added_tokens.json", bert, {"added_tokens.json": {"[E1]": 23}}),
        ("added_tokens.json, cased", {**bert, "do_lower_case": False}, {"added_tokens.json": {"[E1]": 23, "lol": 24}}),
        ("added_tokens_decoder", {**bert, "added_tokens_decoder": decoder}, {}),
        ("added_tokens_decoder, cased", {**bert, "do_lower_case": False, "added_tokens_decoder": decoder}, {}),
        ("flags of a special token", {**bert, "added_tokens_decoder": flagged}, {}),
        ("additional", {**bert, "additional_special_tokens": ["[E1]", "<x>"]}, {}),
        ("additional in the map", bert, {"special_tokens_map.json": {"additional_special_tokens": ["[E1]", "<left>"]}}),
        ("the map beside a decoder", {**bert, "added_tokens_decoder": specials()}, {"special_tokens_map.json": {"additional_special_tokens": ["[E1]"]}, "added_tokens.json": {"lol": 23}}),
        ("left", {**bert, "truncation_side": "left"}, {}),
        ("split special", {**bert, "split_special_tokens": True}, {}),
        ("never split", {**bert, "never_split": ["a:"]}, {}),
        ("other mask", {**bert, "mask_token": "[E1]"}, {}),
        ("plain class", {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "mask_token": "<m>"}, {}),
        ("unknown class", {"tokenizer_class": "NoSuchTokenizer"}, {}),
        ("flags in the map", bert, {"special_tokens_map.json": {"mask_token": token("[MASK]", single_word=True), "pad_token": "[PAD]"}}),
        ("flags in the map, cased", {**bert, "do_lower_case": False}, {"special_tokens_map.json": {"mask_token": token("[MASK]", rstrip=True)}}),
        ("additional in both files", {**bert, "additional_special_tokens": ["<left>"]}, {"special_tokens_map.json": {"additional_special_tokens": ["[E1]"]}}),
        ("special without normalized", {**bert, "additional_special_tokens": [{"__type": "AddedToken", "content": "Good"}]}, {}),
        ("an additional token twice", {**bert, "additional_special_tokens": ["<x>", {"__type": "AddedToken", **token("<x>", rstrip=True)}]}, {}),
        ("a new id for a word", bert, {"added_tokens.json": {"good": 23, "<x>": 24}}),
        ("another role", {**bert, "bos_token": "lol"}, {}),
        ("legacy tokens", {**bert, "mask_token": {"__type": "AddedToken", **token("[MASK]", lstrip=True)}}, {}),
    ]


def ids_of(tokenizer) -> list:
    found = [[t, None, None, tokenizer(t)["input_ids"]] for t in TEXTS]
    for length in (3, 4, 7, 8, 9):
        found.append([PAIR[0], PAIR[1], length, tokenizer(*PAIR, truncation=True, max_length=length)["input_ids"]])
        found.append([PAIR[1], None, length, tokenizer(PAIR[1], truncation=True, max_length=length)["input_ids"]])
    return found


def case(name: str, kind: str, files: dict[str, str], load) -> dict:
    with tempfile.TemporaryDirectory() as directory:
        for file, content in files.items():
            Path(directory, file).write_text(content)
        try:
            return {"name": name, "kind": kind, "files": files, "ids": ids_of(load(directory))}
        except Exception as error:
            return {"name": name, "kind": kind, "files": files, "error": type(error).__name__}


def main(out: Path) -> None:
    assert transformers.__version__ == "4.57.1", transformers.__version__
    model = {"config.json": json.dumps({"model_type": "bert"})}
    vocabulary = {"vocab.txt": "".join(f"{w}\n" for w in WORDS)}
    cases = []
    for name, config, others in configs():
        beside = {**model, "tokenizer_config.json": json.dumps(config), **{k: json.dumps(v) for k, v in others.items()}}
        cases.append(case(name, "slow", {**vocabulary, **beside}, BertTokenizer.from_pretrained))
        for lowercase in (True, False):
            for added in ((), [E1, OTHERS[0], token("Film")]):
                json_file = {"tokenizer.json": tokenizer_json(lowercase, added)}
                cases.append(case(name, "fast", {**json_file, **beside}, AutoTokenizer.from_pretrained))
    for prefix in (True, False):
        for config in ({}, {"add_prefix_space": True}, {"add_prefix_space": False}, {"mask_token": "<mask>"}):
            for class_name in ("RobertaTokenizer", "PreTrainedTokenizerFast"):
                files = {
                    "tokenizer.json": byte_level(prefix),
                    "tokenizer_config.json": json.dumps({"tokenizer_class": class_name, **config}),
                    "config.json": json.dumps({"model_type": "roberta"}),
                }
                cases.append(case(f"byte level, {class_name}", "fast", files, AutoTokenizer.from_pretrained))
    contents = list(dict.fromkeys(text for c in cases for text in c["files"].values()))
    for c in cases:
        c["files"] = {name: contents.index(text) for name, text in c["files"].items()}
    out.write_text(json.dumps({"contents": contents, "cases": cases}))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
