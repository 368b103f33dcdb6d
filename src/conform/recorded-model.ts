/** Reads the models of vectors that name a class of transformers and its configuration. */
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { at, expectedError, type JsonObject } from "./case-files.ts";

/** The classes of transformers that are sequence classifiers of the project, by their model types. */
const CLASSIFIERS: Readonly<Record<string, string>> = {
  BertForSequenceClassification: "bert",
  DistilBertForSequenceClassification: "distilbert",
};

/** Returns the configuration of the model `{ hf, config }`. @throws CaseFileError if it is not a known classifier */
export function recordedClassifier(json: JsonObject): ModelConfig {
  const model = at.object(json, "model");
  const type = CLASSIFIERS[at.text(model, "hf")];
  if (type === undefined)
    throw expectedError("model.hf", `one of ${Object.keys(CLASSIFIERS).join(", ")}`, model.hf);
  return parseModelConfigOrThrow({ model_type: type, ...at.object(model, "config") });
}
