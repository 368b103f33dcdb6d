import { checkInteger, checkMapOf, checkOptions, describe } from "../core/checks.ts";
import { InputError, type Problem } from "../core/either.ts";
import { nextNormal, openStream, STREAM } from "../core/random.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { createParameter, type Parameters } from "../tensor/parameter.ts";
import { elementCount, formatShape, type Shape, sameShape } from "../tensor/shape.ts";
import { creating } from "../tensor/tensor.ts";
import { checkConfig } from "./check.ts";
import type { ModelConfig } from "./config.ts";
import { type ModuleDescription, moduleList } from "./modules.ts";
import { modelNames } from "./names.ts";
import { sinusoidalPositions } from "./positions.ts";

interface ParameterDescription {
  readonly name: string;
  readonly shape: Shape;
  readonly module: ModuleDescription;
  readonly role: "weight" | "bias";
}

/** The shape and the values of a stored tensor. */
export interface NamedValues {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** How {@link createParameters} treats missing and unexpected tensors. */
interface CreateParametersOptions {
  /** Initialises missing parameters of the head from this seed, because a pre-trained encoder may lack them. */
  readonly initialiseHead?: { readonly seed: number };
  /** Ignores tensors that the model does not have, such as other heads of a pre-trained encoder. Default false. */
  readonly ignoreUnexpected?: boolean;
}

/** Lists every parameter of a model in module order, weight before bias, with the names of transformers. */
export function parameterList(config: ModelConfig): readonly ParameterDescription[] {
  return moduleList(config).flatMap((module): readonly ParameterDescription[] => {
    const weight = {
      name: `${module.name}.weight`,
      shape: module.shape,
      module,
      role: "weight",
    } as const;
    if (!module.bias) return [weight];
    const shape = module.shape.slice(0, 1);
    return [weight, { name: `${module.name}.bias`, shape, module, role: "bias" }];
  });
}

/**
 * Initialises parameters as transformers does: weights and embeddings with random numbers from normal(0,
 * initializerRange), the weights of layer norms with 1, biases and the embeddings of padding with 0. The values of
 * a parameter depend only on the seed and the parameter's index.
 *
 * @param seed - an integer from 0 to 2^53 - 1
 */
export function initialiseParameters(
  backend: Backend,
  config: ModelConfig,
  seed: number,
): Parameters {
  checkBackend(backend);
  checkConfig(config);
  checkInteger("seed", seed);
  return makeParameters(backend, config, new Map(), seed);
}

/**
 * Creates a model's parameters with the values of stored tensors, which are copied.
 *
 * @param tensors - the stored tensors, by their names in transformers' state dictionaries
 * @throws InputError with every tensor that is missing, is unexpected, or has the wrong shape
 *
 * @example
 * ```ts
 * import { createBackend, createParameters, initialiseParameters } from "espalier/nn";
 * import { parseModelConfigOrThrow } from "espalier/nn";
 *
 * const config = parseModelConfigOrThrow({ model_type: "bert", vocab_size: 20, hidden_size: 8,
 *   num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 });
 * const backend = createBackend({ variant: "scalar" });
 * const stored = new Map([...initialiseParameters(backend, config, 1)].map(([name, { value }]) =>
 *   [name, { shape: value.shape, data: value.data.slice() }]));
 * console.assert(createParameters(backend, config, stored).size === stored.size);
 * ```
 */
export function createParameters(
  backend: Backend,
  config: ModelConfig,
  tensors: ReadonlyMap<string, NamedValues>,
  options: CreateParametersOptions = {},
): Parameters {
  checkBackend(backend);
  checkConfig(config);
  checkMapOf("tensors", tensors, "shape", "data");
  checkOptions("options", options, ["initialiseHead", "ignoreUnexpected"]);
  const problems = checkpointProblems(config, tensors, options);
  if (problems.length > 0) throw new InputError(problems);
  return makeParameters(backend, config, tensors, options.initialiseHead?.seed ?? 0);
}

/** Creates parameters from stored values, or from initial values if none are stored. */
function makeParameters(
  backend: Backend,
  config: ModelConfig,
  tensors: ReadonlyMap<string, NamedValues>,
  seed: number,
): Parameters {
  return creating((hold) => {
    const entries = parameterList(config).map((description, index) => {
      const { name, shape } = description;
      const values = tensors.get(name)?.data ?? initialValues(config, description, seed, index);
      const parameter = createParameter(backend, name, shape, values);
      hold(parameter.value);
      hold(parameter.gradient);
      return [name, parameter] as const;
    });
    return new Map(entries);
  });
}

/** Returns all problems for which {@link createParameters} would reject the tensors. */
export function checkpointProblems(
  config: ModelConfig,
  tensors: ReadonlyMap<string, NamedValues>,
  options: CreateParametersOptions = {},
): readonly Problem[] {
  const expected = new Map(parameterList(config).map((parameter) => [parameter.name, parameter]));
  // A pre-trained encoder may lack the classifier and the layer before it.
  const { dense, classifier } = modelNames(config).head;
  const optional = options.initialiseHead === undefined ? [] : [dense, classifier];
  const mismatched = [...expected.values()].flatMap((parameter) => {
    const found = tensors.get(parameter.name);
    return found === undefined && optional.includes(parameter.module.name)
      ? []
      : shapeProblems(parameter, found);
  });
  if (options.ignoreUnexpected === true) return mismatched;
  const unexpected = [...tensors.keys()].filter((name) => !expected.has(name) && !isBuffer(name));
  return [
    ...mismatched,
    ...unexpected.map((path) => ({ path, expected: "no such tensor", got: "one" })),
  ];
}

function shapeProblems(
  { name, shape }: ParameterDescription,
  found: NamedValues | undefined,
): readonly Problem[] {
  const expected = `a tensor of shape ${formatShape(shape)}`;
  if (found === undefined) return [{ path: name, expected, got: "none" }];
  if (!sameShape(found.shape, shape)) {
    return [{ path: name, expected, got: formatShape(found.shape) }];
  }
  return found.data.length === elementCount(shape)
    ? []
    : [{ path: name, expected, got: describe(found.data) }];
}

/** Whether a name belongs to a constant buffer. Old checkpoints store such buffers with the parameters. */
function isBuffer(name: string): boolean {
  return name.endsWith(".embeddings.position_ids") || name.endsWith(".embeddings.token_type_ids");
}

function initialValues(
  config: ModelConfig,
  { shape, module, role }: ParameterDescription,
  seed: number,
  index: number,
): Float32Array {
  const values = new Float32Array(elementCount(shape));
  if (role === "bias") return values;
  if (module.kind === "layerNorm") return values.fill(1);
  if (module.isSinusoidal === true) return sinusoidalPositions(shape[0] ?? 0, shape[1] ?? 0);
  const stream = openStream(seed, STREAM.initialise, index);
  for (let i = 0; i < values.length; i++) values[i] = config.initializerRange * nextNormal(stream);
  if (module.paddingRow !== undefined) {
    const width = config.embeddingSize;
    values.fill(0, module.paddingRow * width, (module.paddingRow + 1) * width);
  }
  return values;
}
