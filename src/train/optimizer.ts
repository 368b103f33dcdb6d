/**
 * AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019) as in `torch.optim.AdamW` and in
 * `transformers.AdamW`, which apply epsilon and weight decay at different points.
 */
import {
  checkKind,
  checkList,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkRecords,
  succeeds,
} from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import type { AdamWConstants } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import {
  checkParameters,
  checkSeparateParameters,
  type Parameter,
  type Parameters,
} from "../tensor/parameter.ts";
import { createTensor, creating, type Tensor } from "../tensor/tensor.ts";

type AdamWFlavour = "torch" | "transformers";

export interface AdamWSettings {
  readonly flavour: AdamWFlavour;
  /** The base learning rate, which the schedule scales. */
  readonly learningRate: number;
  /** Decay rates of the first and the second moment. */
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Applies to parameters with the treatment `decay`. */
  readonly weightDecay: number;
}

export const OPTIMIZER_SETTINGS: readonly (keyof AdamWSettings)[] = [
  "flavour",
  "learningRate",
  "betas",
  "epsilon",
  "weightDecay",
];

/** How the optimizer treats the parameters whose names match the regular expression `names`. */
export interface ParameterRule {
  readonly names: string;
  /** `fixed` parameters are never updated. */
  readonly treatment: "decay" | "no-decay" | "fixed";
}

/**
 * Returns the rules of a profile; the first match applies. The rules of `inc` are the parameter groups of INC's example
 * script, in which `classifier.weight` and DistilBERT's `pre_classifier.weight` belong to no group, so they are never
 * updated. The rules of `strict` train every parameter, without decay for biases, all layer norms and the head, as the
 * script intends.
 */
export function parameterRules(profile: Profile): readonly ParameterRule[] {
  return profile === "inc" ? EXAMPLE_RULES : STRICT_RULES;
}

const EXAMPLE_RULES: readonly ParameterRule[] = Object.freeze([
  { names: "bias|LayerNorm\\.weight", treatment: "no-decay" },
  { names: "classifier", treatment: "fixed" },
]);

const STRICT_RULES: readonly ParameterRule[] = Object.freeze([
  { names: "bias|LayerNorm\\.weight|layer_norm\\.weight|classifier", treatment: "no-decay" },
]);

/** Returns the treatment of a parameter; `decay` if no rule matches. */
export function treatmentOf(
  rules: readonly ParameterRule[],
  name: string,
): ParameterRule["treatment"] {
  return rules.find(({ names }) => new RegExp(names).test(name))?.treatment ?? "decay";
}

/** The optimizer's state for one parameter. */
interface OptimizerSlot {
  readonly parameter: Parameter;
  readonly weightDecay: number;
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  /** The number of completed updates. {@link optimizerStepInto} increments it. */
  updates: number;
}

/** An optimizer for the parameters of a model. Slots are in module order; fixed parameters have no slot. */
export interface Optimizer {
  readonly settings: AdamWSettings;
  readonly slots: readonly OptimizerSlot[];
  /** Parameters that are never updated. */
  readonly fixed: readonly Parameter[];
}

/**
 * Creates an optimizer with zero moments in the backend's memory. {@link releaseOptimizer} frees them.
 *
 * @param rules - which parameters decay and which are fixed; the first match applies. Default: every parameter decays
 * @throws TypeError or RangeError if a setting is invalid
 */
export function createOptimizer(
  backend: Backend,
  parameters: Parameters,
  settings: AdamWSettings,
  rules: readonly ParameterRule[] = [],
): Optimizer {
  checkBackend(backend);
  checkParameters(parameters);
  checkSettings(settings);
  checkRecords("rules", rules, "names", "treatment");
  checkSeparateParameters(parameters);
  const slots: OptimizerSlot[] = [];
  const fixed: Parameter[] = [];
  return creating((hold) => {
    for (const parameter of parameters.values()) {
      const treatment = treatmentOf(rules, parameter.name);
      if (treatment === "fixed") {
        fixed.push(parameter);
        continue;
      }
      slots.push({
        parameter,
        weightDecay: treatment === "decay" ? settings.weightDecay : 0,
        firstMoment: hold(createTensor(backend, parameter.value.shape)),
        secondMoment: hold(createTensor(backend, parameter.value.shape)),
        updates: 0,
      });
    }
    return { settings, slots, fixed };
  });
}

function checkSettings(settings: AdamWSettings): void {
  checkOptions("settings", settings, OPTIMIZER_SETTINGS);
  checkList("settings.betas", settings.betas);
  const { flavour, learningRate, betas, epsilon, weightDecay } = settings;
  checkOneOf("optimizer.flavour", flavour, ["torch", "transformers"]);
  checkNumber("optimizer.learningRate", learningRate, 0);
  checkNumber("optimizer.betas[0]", betas[0], 0, 1 - Number.EPSILON);
  checkNumber("optimizer.betas[1]", betas[1], 0, 1 - Number.EPSILON);
  checkNumber("optimizer.epsilon", epsilon, 0);
  checkNumber("optimizer.weightDecay", weightDecay, 0);
}

/**
 * Updates every parameter from its gradient. A parameter is skipped until its gradient first has a non-zero entry. This
 * follows torch, in which a parameter that does not affect the loss, such as the pooler if only hidden states are
 * distilled, has no gradient, does not decay, and counts no update.
 *
 * @param options - with `clearGradients`, the gradients of updated parameters are set to zero in the same pass
 */
export function optimizerStepInto(
  backend: Backend,
  optimizer: Optimizer,
  learningRate: number,
  options: { readonly clearGradients?: boolean } = {},
): void {
  checkBackend(backend);
  checkOptimizer(optimizer);
  checkNumber("learningRate", learningRate);
  checkOptions("options", options, ["clearGradients"]);
  const { clearGradients = false } = options;
  const { kernels } = backend;
  const { settings, slots } = optimizer;
  const update = settings.flavour === "torch" ? kernels.adamwTorch : kernels.adamwTransformers;
  const constantsOf = updateConstants(settings, learningRate, clearGradients);
  const updateSlot = (slot: OptimizerSlot): void => {
    const gradient = slot.parameter.gradient.data;
    if (slot.updates === 0 && gradient.every((entry) => entry === 0)) return;
    slot.updates++;
    const value = slot.parameter.value.data;
    update(value, gradient, slot.firstMoment.data, slot.secondMoment.data, constantsOf(slot));
  };
  kernels.independently(() => slots.forEach(updateSlot));
}

function checkOptimizer(optimizer: Optimizer): void {
  const isOptimizer = (): boolean =>
    optimizer.slots.length >= 0 && optimizer.settings.flavour !== undefined;
  checkKind(succeeds(isOptimizer), "optimizer", "one from createOptimizer", optimizer);
}

/**
 * Returns a function that computes a slot's constants for one step. They are cached, because most slots have the same
 * number of updates and the same decay.
 */
function updateConstants(
  { betas, epsilon }: AdamWSettings,
  learningRate: number,
  clearGradient: boolean,
): (slot: OptimizerSlot) => AdamWConstants {
  const [beta1, beta2] = betas;
  const known = new Map<number, AdamWConstants>();
  let latest = 0;
  return ({ updates, weightDecay }) => {
    if (updates !== latest) known.clear();
    latest = updates;
    const found = known.get(weightDecay);
    if (found !== undefined) return found;
    const constants = {
      learningRate,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      clearGradient,
      c1: 1 - beta1 ** updates,
      c2: 1 - beta2 ** updates,
    };
    known.set(weightDecay, constants);
    return constants;
  };
}

/** Frees the moments of an optimizer. */
export function releaseOptimizer(optimizer: Optimizer): void {
  checkOptimizer(optimizer);
  for (const { firstMoment, secondMoment } of optimizer.slots) {
    firstMoment.release();
    secondMoment.release();
  }
}
