/** Applies the character maps of SentencePiece models: a trie of UTF-8 bytes, and the texts that replace them. */
import { type Either, isLeft, type Problem, refuse, right } from "../../core/either.ts";
import { decodeUtf8 } from "../text.ts";
import { headAfter } from "./decompositions.ts";
import { graphemes } from "./graphemes.ts";
import type { Text } from "./text.ts";

/** A parsed map. */
export interface CharacterMap {
  /** Darts' double array. */
  readonly units: Uint32Array;
  /** The replacements, each ended by a zero byte. */
  readonly replacements: Uint8Array;
  /** A cache: the replacements of clusters and characters, or null for those that the map does not have. */
  readonly memo: Map<string, string | null>;
}

/** Parses a map, which is stored in base64. */
export function parseCharacterMap(
  path: string,
  base64: string,
): Either<readonly Problem[], CharacterMap> {
  const bytes = bytesOfBase64(base64);
  if (bytes === undefined) return refuse(path, "base64", "other characters");
  const view = new DataView(bytes.buffer);
  const size = bytes.length >= 4 ? view.getUint32(0, true) : -1;
  const count = size >> 2;
  if (count < 1 || 4 + 4 * count > bytes.length)
    return refuse(path, "the size of a trie and the trie", `${bytes.length} bytes`);
  const replacements = bytes.slice(4 + 4 * count);
  const text = decodeUtf8(path, replacements);
  if (isLeft(text)) return text;
  const units = Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i, true));
  return right({ units, replacements, memo: new Map() });
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function bytesOfBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/={0,2}$/, "");
  if (/[^A-Za-z0-9+/]/.test(digits) || digits.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let place = 0;
  for (const digit of digits) {
    bits = ((bits << 6) | BASE64.indexOf(digit)) & 0xffffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[place++] = (bits >> held) & 0xff;
  }
  return bytes;
}

/** Clusters of this many bytes are looked up character by character. */
const LONG_CLUSTER = 6;

/** Replaces the characters and clusters that a map contains. */
export function applyCharacterMap(map: CharacterMap, { text, head }: Text): Text {
  const parts: string[] = [];
  const changed = { codePoints: [] as number[], changes: [] as number[] };
  let isModified = false;
  const replaceBy = (old: string, replacement: string): void => {
    isModified = true;
    parts.push(replacement);
    addChanges(changed, old, replacement);
  };
  for (const cluster of graphemes(text)) {
    const whole = replacementOf(map, cluster);
    if (whole !== null) {
      replaceBy(cluster, whole);
      continue;
    }
    for (const character of cluster) {
      const found = replacementOf(map, character);
      if (found !== null) replaceBy(character, found);
      else {
        parts.push(character);
        changed.codePoints.push(character.codePointAt(0) ?? 0);
        changed.changes.push(0);
      }
    }
  }
  if (!isModified) return { text, head };
  return { text: parts.join(""), head: headAfter(changed, text, head) };
}

/** The number of clusters at which the cache is cleared. */
const MEMO_CLUSTERS = 1 << 14;

/** Looks up a cluster. Long clusters have no replacement. */
function replacementOf(map: CharacterMap, cluster: string): string | null {
  const known = map.memo.get(cluster);
  if (known !== undefined) return known;
  const bytes = new TextEncoder().encode(cluster);
  const found = bytes.length < LONG_CLUSTER ? (find(map, bytes) ?? null) : null;
  if (map.memo.size >= MEMO_CLUSTERS) map.memo.clear();
  map.memo.set(cluster, found);
  return found;
}

/** Adds the changes of a replacement, counted as in `tokenizers`: they may be assigned to characters before it. */
function addChanges(
  { codePoints, changes }: { readonly codePoints: number[]; readonly changes: number[] },
  old: string,
  replacement: string,
): void {
  const added = [...replacement];
  for (const character of added) {
    codePoints.push(character.codePointAt(0) ?? 0);
    changes.push(0);
  }
  const difference = added.length - [...old].length;
  const last = changes.length - 1;
  if (difference > 0) changes.fill(1, Math.max(0, changes.length - difference));
  else if (difference < 0 && last >= 0) changes[last] = (changes[last] ?? 0) + difference;
}

/** Returns the replacement for the shortest prefix of `key` that the map contains. */
function find({ units, replacements }: CharacterMap, key: Uint8Array): string | undefined {
  let node = offsetOf(units[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return undefined;
    node ^= byte;
    const unit = units[node];
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
    node ^= offsetOf(unit);
    if (((unit >>> 8) & 1) === 0) continue;
    const begin = (units[node] ?? 0) & 0x7fffffff;
    let end = begin;
    while (end < replacements.length && replacements[end] !== 0) end++;
    return new TextDecoder().decode(replacements.subarray(begin, end));
  }
  return undefined;
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
