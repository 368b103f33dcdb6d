/** Checks the arguments of `createSparseClassifier`. */
import {
  checkInteger,
  checkKind,
  checkOneOf,
  checkOptions,
  describe,
  succeeds,
} from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { checkConfig } from "../model/check.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import { type CostModel, checkCosts, MOST_TOKENS } from "./cost-model.ts";
import { EXECUTION_KINDS, type Execution } from "./execution.ts";

/** Options for `createSparseClassifier`. */
export interface SparseClassifierOptions {
  /**
   * The cost model from which executions are chosen. Default: measured on the backend, which takes half a second to a
   * second, unless `executions` says how to compute every layer.
   */
  readonly costs?: CostModel;
  /** The usual number of tokens in a batch. Executions are chosen for batches of this size. Default 128. */
  readonly tokens?: number;
  /**
   * `auto` executes layers and looks up embeddings with bytes if they are stored in eight bits. `floats` converts them to
   * floats. Both choose the cheapest execution for each layer of floats, and remove hidden units without effect if that
   * is cheaper; with bytes, idle hidden units are always removed, by whole blocks. `dense` computes all layers densely,
   * with floats. A map contains executions by layer name; the other layers get their cheapest execution, and all hidden
   * units stay. Default `auto`.
   */
  readonly executions?: "auto" | "floats" | "dense" | ReadonlyMap<string, Execution>;
}

/** @throws TypeError or RangeError that names the argument */
export function checkClassifierArguments(
  backend: Backend,
  config: ModelConfig,
  options: SparseClassifierOptions,
): void {
  checkBackend(backend);
  checkConfig(config);
  checkOptions("options", options, ["costs", "tokens", "executions"]);
  const { tokens = 128, executions = "auto", costs } = options;
  checkInteger("tokens", tokens, 1, MOST_TOKENS);
  checkExecutions(config, executions);
  if (costs !== undefined) checkCosts(backend, costs);
}

function checkExecutions(
  config: ModelConfig,
  executions: NonNullable<SparseClassifierOptions["executions"]>,
): void {
  if (executions === "auto" || executions === "floats" || executions === "dense") return;
  const expected = '"auto", "floats", "dense", or a Map of executions by the names of layers';
  checkKind(
    succeeds(() => executions instanceof Map),
    "executions",
    expected,
    executions,
  );
  const names = new Set<unknown>(
    parameterList(config).flatMap(({ module }) => (module.kind === "linear" ? module.name : [])),
  );
  for (const [name, execution] of executions) {
    if (!names.has(name))
      throw new RangeError(
        `executions: expected names of linear layers such as ${[...names][0]}, got ${describe(name)}`,
      );
    checkOneOf(`executions of ${name}`, execution?.kind, EXECUTION_KINDS);
  }
}
