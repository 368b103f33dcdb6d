/**
 * Measures texts a second on one thread, beside Python's tokenizers:
 *
 *     node scripts/tokenizer-rate.mjs DIST TEXTS PYTHON TOKENIZER_JSON...
 *
 * TEXTS has one text a line. Each tokenizer encodes all texts repeatedly for at least two seconds, with the cache that
 * it has by itself.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [dist, textsPath, python, ...paths] = process.argv.slice(2);
if (paths.length === 0) {
  console.error("usage: tokenizer-rate.mjs DIST TEXTS PYTHON TOKENIZER_JSON...");
  process.exit(2);
}
const SECONDS = 2;
const PROGRAM = `
import sys, time
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
tokenizer.no_padding()
texts = open(sys.argv[2], encoding="utf8").read().splitlines()
def run():
    begin = time.perf_counter()
    tokenizer.encode_batch(texts)
    return time.perf_counter() - begin
run()
spent, rounds = 0, 0
while spent < ${SECONDS}:
    spent += run()
    rounds += 1
print(len(texts) * rounds / spent)
`;

const io = await import(pathToFileURL(join(resolve(dist), "io.js")));
const texts = readFileSync(textsPath, "utf8").split("\n").slice(0, -1);
for (const path of paths) {
  const files = new Map([["tokenizer.json", readFileSync(path)]]);
  const tokenizer = io.getOrThrow(io.readHuggingFaceTokenizer(files));
  const run = () => {
    const begin = performance.now();
    for (const text of texts) io.encode(tokenizer, text);
    return (performance.now() - begin) / 1000;
  };
  run();
  let spent = 0;
  let rounds = 0;
  while (spent < SECONDS) {
    spent += run();
    rounds++;
  }
  const own = (texts.length * rounds) / spent;
  const env = { ...process.env, RAYON_NUM_THREADS: "1", TOKENIZERS_PARALLELISM: "false" };
  const output = execFileSync(python, ["-c", PROGRAM, path, textsPath], { env, encoding: "utf8" });
  const theirs = Number(output);
  console.log(
    `${path}: ${own.toFixed(0)} texts/s, Python ${theirs.toFixed(0)}, ratio ${(own / theirs).toFixed(2)}`,
  );
}
