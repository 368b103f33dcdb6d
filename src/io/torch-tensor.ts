/** Reads tensors in PyTorch's pickles: recorded calls that rebuild a tensor from part of a storage. */
import { describe } from "../core/checks.ts";
import { type Dtype, elementBytes } from "./dtypes.ts";
import { isKind, type PickleValue } from "./pickle.ts";

const STORAGES: Readonly<Record<string, Dtype>> = {
  "torch.DoubleStorage": "F64",
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
  "torch.ComplexFloatStorage": "C64",
  // For newer element types, the storage is untyped and counts bytes; the type is stored with the tensor.
  "torch.storage.UntypedStorage": "U8",
};
const UNTYPED = "torch.storage.UntypedStorage";

const DTYPES: Readonly<Record<string, Dtype>> = {
  "torch.float8_e4m3fn": "F8_E4M3",
  "torch.float8_e5m2": "F8_E5M2",
  "torch.float8_e4m3fnuz": "F8_E4M3FNUZ",
  "torch.float8_e5m2fnuz": "F8_E5M2FNUZ",
  "torch.float8_e8m0fnu": "F8_E8M0",
  "torch.uint16": "U16",
  "torch.uint32": "U32",
  "torch.uint64": "U64",
};
const TENSOR = "torch._utils._rebuild_tensor_v2";
const TYPED_TENSOR = "torch._utils._rebuild_tensor_v3";
const PARAMETER = "torch._utils._rebuild_parameter";

/** The names of the classes and functions that dictionaries of tensors need. */
export const TENSOR_NAMES: ReadonlySet<string> = /* @__PURE__ */ new Set(
  /* @__PURE__ */ Object.keys({ ...STORAGES, ...DTYPES }).concat(TENSOR, TYPED_TENSOR, PARAMETER),
);

interface StorageReference {
  readonly key: string;
  readonly type: string;
  readonly bytes: number;
}

/** A tensor and its position in a storage. */
export interface StoragePart {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The strides in elements. */
  readonly strides: readonly number[];
  readonly offset: number;
  /** The key of the storage. Tensors in the same storage may share memory. */
  readonly storage: string;
  readonly storageBytes: number;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function countsOf(value: PickleValue | undefined): readonly number[] | undefined {
  if (!isKind(value, "tuple") || !value.values.every(isCount)) return undefined;
  return value.values.filter(isCount);
}

function storageOf(value: PickleValue | undefined): StorageReference | undefined {
  if (!isKind(value, "reference") || !isKind(value.id, "tuple")) return undefined;
  const [tag, type, key, , elements, view = null] = value.id.values;
  const dtype = isKind(type, "global") ? STORAGES[type.name] : undefined;
  if (tag !== "storage" || !isKind(type, "global") || dtype === undefined || view !== null)
    return undefined;
  if (typeof key !== "string" || !isCount(elements)) return undefined;
  return { key, type: type.name, bytes: elements * elementBytes(dtype) };
}

/** Returns the storage index of a tensor's last element, and the number of elements in the tensor. */
export function extentOf(
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): { readonly last: number; readonly count: number } {
  let [last, count] = [offset, 1];
  shape.forEach((extent, axis) => {
    last += (extent - 1) * (strides[axis] ?? 0);
    count *= extent;
  });
  return { last, count };
}

/** Whether a value is a recorded call that creates a tensor. */
export function isTensorCall(value: PickleValue): boolean {
  return isKind(value, "call") && [TENSOR, TYPED_TENSOR, PARAMETER].includes(value.name);
}

/** Returns the tensor that a recorded call creates, or a text that describes a value that is not a tensor. */
export function tensorOf(value: PickleValue): StoragePart | string {
  if (value instanceof Map) return "a dictionary";
  if (!isKind(value, "call")) return describe(value);
  const call = value.name === PARAMETER ? value.values[0] : value;
  if (!isKind(call, "call")) return "a parameter without a tensor";
  if (call.name !== TENSOR && call.name !== TYPED_TENSOR) return call.name;
  const storage = storageOf(call.values[0]);
  if (storage === undefined) return "a tensor of another kind of storage";
  const [, offset, size, stride, , , type] = call.values;
  const dtype = dtypeOf(storage, call.name === TYPED_TENSOR ? type : undefined);
  if (dtype === undefined) return "a tensor of another type";
  const [shape, strides] = [countsOf(size), countsOf(stride)];
  if (!isCount(offset) || shape === undefined || strides?.length !== shape.length)
    return "a tensor without a shape";
  const elements = Math.floor(storage.bytes / elementBytes(dtype));
  const { last, count } = extentOf(shape, strides, offset);
  // With strides of zero, a small storage could give a tensor of any size.
  if (count > elements || (count > 0 && last >= elements))
    return `a tensor [${shape.join(", ")}] of a storage of ${elements} elements`;
  return { dtype, shape, strides, offset, storage: storage.key, storageBytes: storage.bytes };
}

function dtypeOf(storage: StorageReference, type: PickleValue | undefined): Dtype | undefined {
  if (storage.type !== UNTYPED) return type === undefined ? STORAGES[storage.type] : undefined;
  return isKind(type, "global") ? DTYPES[type.name] : undefined;
}

/** Returns the element size in bytes of every storage that a value refers to, by the storage's key. */
export function storageElementBytes(value: PickleValue): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  const seen = new Set<PickleValue>();
  const pending: PickleValue[] = [value];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    if (typeof item !== "object" || item === null || seen.has(item)) continue;
    seen.add(item);
    const storage = storageOf(item);
    if (storage !== undefined) sizes.set(storage.key, elementBytes(STORAGES[storage.type] ?? "U8"));
    const below = item instanceof Map ? item.values() : Array.isArray(item) ? item : partsOf(item);
    for (const part of below) pending.push(part);
  }
  return sizes;
}

function partsOf(value: PickleValue): readonly PickleValue[] {
  return isKind(value, "tuple") || isKind(value, "call") ? value.values : [];
}
