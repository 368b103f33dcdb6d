/** Defines the options for the roles of tensors and for the layers that a command works on. */

import { type LayerChoice, ROLE_DESCRIPTIONS, readNameExpression } from "../checkpoint/choice.ts";
import type { TensorAccount } from "../checkpoint/coverage.ts";
import type { MatrixAxes, TensorRole } from "../checkpoint/model-roles.ts";
import type { RoleOverride } from "../checkpoint/roles.ts";
import { getOrThrow, refuseInput } from "../core/either.ts";
import type { ModelPlace } from "../node/model-name.ts";
import { storageOf } from "../node/storage.ts";
import { accountLines } from "../report/account.ts";
import { readStatedModel, type StatedModel } from "../run/model-evidence.ts";
import type { TextOutput } from "./console.ts";
import { flagOption, type Option, type OptionValues, textOption, textsOption } from "./options.ts";

const ROLES = Object.keys(ROLE_DESCRIPTIONS) as readonly TensorRole[];
const AXES: readonly MatrixAxes[] = ["out,in", "in,out"];

/** The options for the roles of tensors. */
export const ROLE_OPTIONS: {
  readonly role: Option<readonly string[]>;
  readonly axes: Option<readonly string[]>;
  readonly strictRoles: Option<boolean>;
} = {
  role: textsOption("REGEX=ROLE", `the role of tensors whose name matches: ${ROLES.join(", ")}`),
  axes: textsOption(
    "REGEX=AXES",
    "the order of outputs and inputs in tensors whose name matches: out,in or in,out",
  ),
  strictRoles: flagOption(
    "refuse roles that rest on names and shapes alone, without config.json or an option",
  ),
};

/** The options for the layers that a command works on. */
export const LAYER_OPTIONS: {
  readonly layers: Option<string>;
  readonly exclude: Option<string>;
  readonly excludeHead: Option<boolean>;
} = {
  layers: textOption("REGEX", "only layers whose name matches (default: all)", ["op-names"]),
  exclude: textOption("REGEX", "no layers whose name matches", ["excluded-op-names"]),
  excludeHead: flagOption("leave heads alone, recognised by their names (default true)"),
};

type RoleValues = OptionValues<typeof ROLE_OPTIONS>;

/** Splits `REGEX=VALUE` at the last equals sign. */
function readStatement<T extends string>(
  key: "role" | "axes",
  text: string,
  values: readonly T[],
): { readonly pattern: RegExp; readonly value: T } {
  const at = text.lastIndexOf("=");
  const [source, word] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  const value = values.find((one) => one === word);
  const expected = `REGEX=${values.join("|")}`;
  if (source === "" || value === undefined) return refuseInput(`\`${key}\``, expected, text);
  return { pattern: readNameExpression(key, source), value };
}

function readOverrides({ role = [], axes = [] }: RoleValues): readonly RoleOverride[] {
  return [
    ...role.map((text) => {
      const { pattern, value } = readStatement("role", text, ROLES);
      return { pattern, role: value };
    }),
    ...axes.map((text) => {
      const { pattern, value } = readStatement("axes", text, AXES);
      return { pattern, axes: value };
    }),
  ];
}

/** Reads the information about a model in its config.json and in the options. */
export async function readModelStatements(
  place: ModelPlace,
  values: RoleValues,
): Promise<StatedModel> {
  const stated = getOrThrow(await readStatedModel(storageOf(place), place.name));
  const overrides = readOverrides(values);
  const { strictRoles = false } = values;
  return { ...stated, evidence: { ...stated.evidence, overrides, strictRoles } };
}

/** Reads the options for the choice of layers. */
export function readLayerChoice({
  layers,
  exclude,
  excludeHead = true,
}: OptionValues<typeof LAYER_OPTIONS>): LayerChoice {
  return {
    excludeHead,
    ...(layers !== undefined && { layers: readNameExpression("layers", layers) }),
    ...(exclude !== undefined && { exclude: readNameExpression("exclude", exclude) }),
  };
}

/** Prints an account of all tensors. */
export function printAccount(did: string, account: TensorAccount, out: TextOutput): void {
  for (const line of accountLines(did, account)) out.write(`${line}\n`);
}
