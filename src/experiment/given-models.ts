/** Checks the models that are given to an experiment. */
import { checkMapOf, checkObject } from "../core/checks.ts";
import { checkConfig } from "../model/check.ts";
import type { ExperimentDescription } from "./plan.ts";

/** Checks the form of configurations and tensors. @throws TypeError or RangeError that names the option */
export function checkGivenModels({
  config,
  teacher,
  initialTensors,
}: Pick<ExperimentDescription, "config" | "teacher" | "initialTensors">): void {
  checkConfig(config);
  if (initialTensors !== undefined) checkMapOf("initialTensors", initialTensors, "shape", "data");
  if (teacher === undefined) return;
  checkObject("teacher", teacher, "config", "tensors");
  checkConfig(teacher.config, "teacher.config");
  checkMapOf("teacher.tensors", teacher.tensors, "shape", "data");
}
