/** Activation functions as nodes that runtimes recognise and join. */
import type { HeadActivation, HiddenActivation } from "../model/activations.ts";
import { addNode, constant, type Graph } from "./graph.ts";

/** Adds the nodes of an activation. Returns the name of its output. */
export function addActivation(
  graph: Graph,
  place: string,
  activation: HiddenActivation | HeadActivation,
  x: string,
): string {
  switch (activation) {
    case "gelu":
      return addGelu(graph, `${place}/gelu`, x);
    case "gelu_new":
      return addGeluNew(graph, `${place}/gelu_new`, x);
    case "silu":
      return addNode(graph, place, "Mul", [x, addNode(graph, place, "Sigmoid", [x])]);
    case "relu":
      return addNode(graph, place, "Relu", [x]);
    case "tanh":
      return addNode(graph, place, "Tanh", [x]);
    default:
      return activation satisfies never;
  }
}

/** 0.5 x (1 + erf(x / sqrt(2))) */
function addGelu(graph: Graph, place: string, x: string): string {
  const scaled = addNode(graph, place, "Div", [x, constant(graph, Math.SQRT2)]);
  const erf = addNode(graph, place, "Erf", [scaled]);
  return addHalf(graph, place, x, erf);
}

/** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
function addGeluNew(graph: Graph, place: string, x: string): string {
  const cubed = addNode(graph, place, "Pow", [x, constant(graph, 3)]);
  const cubic = addNode(graph, `${place}/cubic`, "Mul", [cubed, constant(graph, 0.044715)]);
  const sum = addNode(graph, `${place}/cubic`, "Add", [x, cubic]);
  const factor = constant(graph, Math.sqrt(2 / Math.PI));
  const scaled = addNode(graph, `${place}/scaled`, "Mul", [sum, factor]);
  return addHalf(graph, place, x, addNode(graph, place, "Tanh", [scaled]));
}

/** 0.5 (x (1 + t)) */
function addHalf(graph: Graph, place: string, x: string, t: string): string {
  const sum = addNode(graph, place, "Add", [t, constant(graph, 1)]);
  const product = addNode(graph, place, "Mul", [x, sum]);
  return addNode(graph, `${place}/half`, "Mul", [product, constant(graph, 0.5)]);
}
