/** `espalier export`: writes a model as a file for another runtime. */
import manifest from "../../package.json" with { type: "json" };
import { refuseInput } from "../core/either.ts";
import { writeFileAtomically } from "../node/files.ts";
import { findModelOrThrow } from "../node/model-name.ts";
import { storageOf } from "../node/storage.ts";
import { checkNewFile } from "../node/text-file.ts";
import type { ExportedModel } from "../onnx/model.ts";
import { formatSeconds } from "../report/table.ts";
import { openClassifier } from "../run/sparse-classifier.ts";
import { calibrate } from "./calibration.ts";
import { type Command, defineCommand } from "./command.ts";
import { choiceOption, type OptionValues, textOption } from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";

const OPTIONS = {
  out: textOption("FILE", "path of the result; nothing may exist there (required)"),
  format: choiceOption(["onnx"], "format of the result (default onnx)"),
  precision: choiceOption(
    ["float32", "int8"],
    "int8 stores the weights of linear layers and embeddings with eight bits for each element, and a scale for each output or row; the logits change (default float32)",
  ),
  calibrate: textOption(
    "ROWS",
    "with int8: also round the inputs of linear layers, to the ranges that they have for the texts of this file",
  ),
  ...ROW_OPTIONS,
} as const;

/** Returns the path that `--out` gives. Throws if no file can be written there. */
function requireFile(out: string | undefined): string {
  if (out === undefined) return refuseInput("--out", "a path for the result", "none");
  checkNewFile("--out", out);
  return out;
}

/** Checks that calibration has a use, and options of rows, too. */
function checkCalibration(values: OptionValues<typeof OPTIONS>): void {
  const { calibrate: path, precision } = values;
  if (path !== undefined && precision !== "int8")
    refuseInput("--calibrate", "--precision int8 beside it", precision ?? "none");
  const given = Object.keys(ROW_OPTIONS).find((key) => Object.hasOwn(values, key));
  if (given !== undefined && path === undefined)
    refuseInput(`\`${given}\``, "--calibrate beside it", "none");
}

/** Returns the weight with the largest rounding error. */
function worst({ rounded }: ExportedModel): ExportedModel["rounded"][number] | null {
  return rounded.reduce<ExportedModel["rounded"][number] | null>(
    (found, weight) => (found === null || weight.error > found.error ? weight : found),
    null,
  );
}

export const exportCommand: Command = defineCommand({
  name: "export",
  summary: "write a model as an ONNX file",
  description: [
    "MODEL is a directory with a dense, pruned or packed classifier, or a model in the Hugging Face cache. The result is an ONNX file of opset 17 for inputs of any batch size and length up to the model's: input_ids, attention_mask and, if the model reads them, token_type_ids, all int64 [batch, sequence]. Its output is logits, float32 [batch, labels]. Zeros stay zeros. FILE is either complete or absent.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const { out, err } = console;
    const to = requireFile(values.out);
    const { format = "onnx", precision = "float32", calibrate: path } = values;
    checkCalibration(values);
    const began = performance.now();
    const storage = storageOf(await findModelOrThrow("MODEL", directory));
    const open = await openClassifier(storage, directory, undefined);
    try {
      for (const notice of open.notices) err.write(`${notice}\n`);
      // Loaded here, because no other command needs the protobuf library.
      const { exportModel } = await import("../onnx/model.ts");
      const { config, read } = open;
      const { version } = manifest;
      const ranges =
        path === undefined ? null : await calibrate({ directory, open, path, values }, console);
      const exported = exportModel({ config, read, precision, ranges, version });
      writeFileAtomically(to, exported.bytes);
      const { nodes, inputs, rounded } = exported;
      const bytes = exported.bytes.length;
      const seconds = (performance.now() - began) / 1000;
      const document = { from: directory, to, format, precision, bytes, nodes, inputs, rounded };
      if (json) out.write(`${JSON.stringify({ ...document, seconds })}\n`);
      else {
        out.write(`inputs: ${inputs.join(", ")}\n`);
        const error = worst(exported);
        if (error !== null)
          out.write(
            `rounded to 8 bits: ${rounded.length} weights, by at most ${error.error.toExponential(2)} (${error.name})\n`,
          );
        out.write(`${to}: ${nodes} nodes, ${bytes} bytes, in ${formatSeconds(seconds)} s\n`);
      }
      return 0;
    } finally {
      open.close();
    }
  },
});
