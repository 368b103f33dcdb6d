"""Prints the run-length table of src/io/unicode-classes.ts from Python's own Unicode database.

BERT's reference tokenizer asks Python for the general category of every character, so the table
is made by Python: run `python3 scripts/unicode-classes.py` with Python 3.11 (Unicode 14.0.0) and
paste the output between the backquotes. Each run is its length in base 36 and its class's letter.
"""

import unicodedata

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
ASCII_PUNCTUATION = [*range(33, 48), *range(58, 65), *range(91, 97), *range(123, 127)]


def class_of(code_point: int) -> str:
    character = chr(code_point)
    category = unicodedata.category(character)
    if character in "\t\n\r\u2028\u2029" or category == "Zs":
        return "S"
    if code_point == 0xFFFD or category.startswith("C"):
        return "C"
    if code_point in ASCII_PUNCTUATION or category.startswith("P"):
        return "P"
    return "M" if category == "Mn" else "L"


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits


def runs() -> list[str]:
    classes = [class_of(code_point) for code_point in range(0x110000)]
    found = []
    begin = 0
    for end in range(1, 0x110001):
        if end == 0x110000 or classes[end] != classes[begin]:
            found.append(base36(end - begin) + classes[begin])
            begin = end
    return found


assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
line = ""
for run in runs():
    if len(line) + len(run) > 100:
        print(line)
        line = ""
    line += run
print(line)
