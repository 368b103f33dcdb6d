/** Seeded mutations of bytes, as fuzzers make them. */

/** Numbers below a bound, the same for the same seed. */
export type Choose = (bound: number) => number;

/** Thirty-two bits at a time (Marsaglia's xorshift). */
export function createChooser(seed: number): Choose {
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Values that programs get wrong. */
const WORDS: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0, 0, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0x7f],
  [0, 0, 0, 0x80],
  [0xff, 0xff],
  [0],
];
const TEXTS: readonly string[] = [
  ...["-1", "1e308", "9007199254740993", "0.1", "null", "true", "[", "{", "]", "}", '"', ":", ","],
  ...[
    "[[[[[[[[",
    '{"a":{"a":{"a":',
    "\\u0000",
    "\ud800",
    "\t",
    "\n",
    "\r\n",
    "\ufeff",
    "__proto__",
  ],
  ...["../", "&a *a", "!!js/function", "<<: *a", "- - - -", "🌳", "e\u0301", "constructor"],
];

function splice(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length - removed + inserted.length);
  out.set(bytes.subarray(0, at));
  out.set(inserted, at);
  out.set(bytes.subarray(at + removed), at + inserted.length);
  return out;
}

/** One change at a random place. */
function mutateOnce(bytes: Uint8Array, other: Uint8Array, choose: Choose): Uint8Array {
  const at = choose(bytes.length + 1);
  const length = Math.min(bytes.length - at, choose(32));
  const changed = (from: ArrayLike<number>): Uint8Array => {
    const out = bytes.slice();
    for (let i = 0; i < from.length && at + i < out.length; i++) out[at + i] = from[i] ?? 0;
    return out;
  };
  switch (choose(8)) {
    case 0:
      return changed([(bytes[at] ?? 0) ^ (1 << choose(8))]);
    case 1:
      return changed([choose(256)]);
    case 2:
      return changed(WORDS[choose(WORDS.length)] ?? []);
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return splice(bytes, at, length, new Uint8Array(0));
    case 5:
      return splice(bytes, at, 0, bytes.subarray(at, at + length));
    case 6:
      return splice(bytes, at, 0, new TextEncoder().encode(TEXTS[choose(TEXTS.length)]));
    default: {
      const from = choose(other.length + 1);
      return splice(bytes, at, length, other.subarray(from, from + choose(64)));
    }
  }
}

/** A member of a corpus with some changes. */
export function mutate(corpus: readonly Uint8Array[], choose: Choose): Uint8Array {
  const one = (): Uint8Array => corpus[choose(corpus.length)] ?? new Uint8Array(0);
  let bytes = one();
  for (let changes = 1 + choose(4); changes > 0; changes--)
    bytes = mutateOnce(bytes, one(), choose);
  return bytes;
}
