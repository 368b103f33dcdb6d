/** A class or function that a pickle names. */
interface PickleGlobal {
  readonly kind: "global";
  /** Such as `torch._utils._rebuild_tensor_v2`. */
  readonly name: string;
}

/** A recorded call: the function and its arguments. */
interface PickleCall {
  readonly kind: "call";
  readonly name: string;
  readonly values: readonly PickleValue[];
}

/** A reference to data outside the pickle, such as a storage. */
interface PickleReference {
  readonly kind: "reference";
  readonly id: PickleValue;
}

interface PickleTuple {
  readonly kind: "tuple";
  readonly values: readonly PickleValue[];
}

/** A value in a pickle of a state dict. Lists are arrays, and dictionaries are maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleGlobal
  | PickleCall
  | PickleReference
  | PickleTuple;

/** Whether a value is of a kind. */
export function isKind<K extends "global" | "call" | "reference" | "tuple">(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<PickleValue, { readonly kind: K }> {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Map) && value.kind === kind;
}
