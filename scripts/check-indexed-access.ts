/**
 * Type-checks the folders without numeric code with `noUncheckedIndexedAccess`. The option is global to a compiler
 * run, so this script turns it on and reports the diagnostics of those folders only.
 */
import ts from "typescript";

const CHECKED = ["io", "model", "train", "report", "node", "cli"];

const parsed = ts.getParsedCommandLineOfConfigFile(
  "tsconfig.json",
  { noUncheckedIndexedAccess: true },
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (d) => console.error(d.messageText) },
);
if (parsed === undefined) throw new Error("tsconfig.json: expected a readable configuration");
const program = ts.createProgram(parsed.fileNames, parsed.options);
const diagnostics = program
  .getSourceFiles()
  .filter((file) => CHECKED.some((folder) => file.fileName.includes(`/src/${folder}/`)))
  .flatMap((file) => program.getSemanticDiagnostics(file));
process.stdout.write(
  ts.formatDiagnostics(diagnostics, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => "\n",
  }),
);
process.exit(diagnostics.length > 0 ? 1 : 0);
