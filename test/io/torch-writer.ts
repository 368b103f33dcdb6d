/** Writes state dicts as torch.save did before PyTorch 1.6, for tests of whole models. */
import type { StoredTensor } from "../../src/io/safetensors.ts";

const MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const PROTOCOL = [0x80, 2];
const ascii = (text: string): readonly number[] => [...new TextEncoder().encode(text)];
const [MARK = 0, TUPLE = 0, STOP = 0, REDUCE = 0, NONE = 0] = ascii("(t.RN");
const TRUE = 0x88;
const FALSE = 0x89;

const int = (value: number): readonly number[] => [
  ...ascii("J"),
  ...new Uint8Array(Int32Array.of(value).buffer),
];
const text = (value: string): readonly number[] => {
  const bytes = ascii(value);
  return [...ascii("X"), ...new Uint8Array(Int32Array.of(bytes.length).buffer), ...bytes];
};
const tuple = (...values: readonly (readonly number[])[]): readonly number[] => [
  MARK,
  ...values.flat(),
  TUPLE,
];
const global = (module: string, name: string): readonly number[] => ascii(`c${module}\n${name}\n`);
const dictionary = (items: readonly (readonly number[])[]): readonly number[] => [
  ...ascii("}("),
  ...items.flat(),
  ...ascii("u"),
];
const pickle = (value: readonly number[]): readonly number[] => [...PROTOCOL, ...value, STOP];

function tensor(key: string, { shape }: StoredTensor): readonly number[] {
  const count = shape.reduce((product, extent) => product * extent, 1);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const type = global("torch", "FloatStorage");
  const storage = [
    ...tuple(text("storage"), type, text(key), text("cpu"), int(count), [NONE]),
    ...ascii("Q"),
  ];
  const sizes = [shape, strides].map((numbers) => tuple(...numbers.map(int)));
  const hooks = [...global("collections", "OrderedDict"), ...tuple(), REDUCE];
  return [
    ...global("torch._utils", "_rebuild_tensor_v2"),
    ...tuple(storage, int(0), ...sizes, [FALSE], hooks),
    REDUCE,
  ];
}

/** A file of 32-bit floats. */
export function writeTorch(tensors: ReadonlyMap<string, StoredTensor>): Uint8Array {
  const all = [...tensors];
  const keys = all.map((_, i) => String(i));
  const state = all.flatMap(([name, one], i) => [text(name), tensor(String(i), one)]);
  const system = dictionary([text("little_endian"), [TRUE]]);
  const header = [
    ...MAGIC,
    ...pickle(int(1001)),
    ...pickle(system),
    ...pickle(dictionary(state)),
    ...pickle([...ascii("]("), ...keys.flatMap(text), ...ascii("e")]),
  ];
  const storages = all.flatMap(([, { bytes }]) => [
    new Uint8Array(BigUint64Array.of(BigInt(bytes.length / 4)).buffer),
    bytes,
  ]);
  return Uint8Array.from(Buffer.concat([Uint8Array.from(header), ...storages]));
}
