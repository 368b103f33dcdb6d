/** Time to convert tensors of 16-bit floats to 32 bits, beside a plain loop over a table of all values. */
import { fromHalfBits } from "../src/core/half.ts";
import { type StoredTensor, tensorFromFloat32, toFloat32 } from "../src/io/safetensors.ts";
import { type BenchContext, type Benchmark, type Cell, takeTurns } from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal } from "./values.ts";

const ROUNDS = 15;
const WARM_UP = 3;
/** The matrix of a feed-forward layer in BERT-mini, and one of 4096 x 4096. */
const COUNTS = [262_144, 16_777_216];
const SEED = 1;

type Float16 = "F16" | "BF16";

/** The value of each of the 65536 bit patterns. */
function tableOf(dtype: Float16): Float32Array {
  if (dtype === "F16")
    return Float32Array.from({ length: 0x10000 }, (_, bits) => fromHalfBits(bits));
  return new Float32Array(Uint32Array.from({ length: 0x10000 }, (_, bits) => bits << 16).buffer);
}

function lookUp(table: Float32Array, halves: Uint16Array): Float32Array {
  const out = new Float32Array(halves.length);
  for (let i = 0; i < out.length; i++) out[i] = table[halves[i]];
  return out;
}

function timed(convert: () => Float32Array): number {
  const start = performance.now();
  convert();
  return performance.now() - start;
}

async function measure(
  context: BenchContext,
  dtype: Float16,
  count: number,
): Promise<readonly (readonly Cell[])[]> {
  const values = new Float32Array(count);
  fillNormal(values, 0.02, SEED);
  const tensor: StoredTensor = tensorFromFloat32(dtype, [count], values);
  const { buffer, byteOffset } = tensor.bytes;
  const halves = new Uint16Array(buffer, byteOffset, count);
  const table = tableOf(dtype);
  const subjects = new Map<string, () => Float32Array>([
    ["toFloat32", () => toFloat32(tensor)],
    ["table", () => lookUp(table, halves)],
  ]);
  const expected = lookUp(table, halves);
  if (!toFloat32(tensor).every((value, i) => value === expected[i]))
    throw new Error(`expected the values of the table for ${dtype}`);
  const times = await takeTurns(
    context,
    [...subjects].map(([name, convert]) => ({
      name,
      threads: 1,
      kinds: ["convert" as const],
      time: () => timed(convert),
      stop: () => undefined,
    })),
    { rounds: ROUNDS, warmUp: WARM_UP },
  );
  const [own = [], plain = []] = times.map((one) => one.get("convert") ?? []);
  return [[dtype, count / 1e6, spreadOf(own), spreadOf(plain), ratiosOf(own, plain)]];
}

/** Conversion of float16 and bfloat16 tensors. */
export const conversionBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const dtype of ["F16", "BF16"] as const)
      for (const count of COUNTS) rows.push(...(await measure(context, dtype, count)));
    const columns = [
      ...[{ name: "dtype" }, { name: "millions", digits: 1 }],
      ...[
        { name: "ms", digits: 2 },
        { name: "ms of a table loop", digits: 2 },
      ],
      { name: "ratio", digits: 2 },
    ];
    return { tables: [{ title: "16-bit floats to 32 bits", columns, rows }], plots: [] };
  },
};
