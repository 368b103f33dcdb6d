// Runs one program in Node and prints its result: node in-node.mjs PROGRAM [VARIANT]
import { runProgram } from "./run-program.mjs";

const [program, variant = null] = process.argv.slice(2);
console.log(JSON.stringify(await runProgram({ program, variant })));
