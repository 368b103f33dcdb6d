// Runs a consumer program on the build, in a page, a worker or Node: the addresses are relative.
const BUILD = "../../../dist";

/** Runs `prune` on the pruning core alone, or `train` on espalier/nn with a kernel variant, also on Web Workers. */
export async function runProgram({ program, variant }) {
  if (program === "prune") {
    const { prune } = await import("../../consumer/prune.mjs");
    return prune(await import(`${BUILD}/index.js`));
  }
  if (program === "train") {
    const { train } = await import("../../consumer/train.mjs");
    return train(await import(`${BUILD}/nn.js`), variant);
  }
  if (program === "classify") {
    const { classify } = await import("../../consumer/classify.mjs");
    const [classifier, io, nn] = await Promise.all(
      ["classifier", "io", "nn"].map((entry) => import(`${BUILD}/${entry}.js`)),
    );
    return classify({ classifier, io, nn }, variant);
  }
  if (program === "train on threads") {
    const { train } = await import("../../consumer/train.mjs");
    const nn = await import(`${BUILD}/nn.js`);
    const script = new URL(`${BUILD}/worker.js`, import.meta.url);
    const startThread = nn.startWebThread(() => new Worker(script, { type: "module" }));
    const backend = await nn.createThreadedBackend({ variant, threads: 3, startThread });
    const result = { ...(await train(nn, variant, backend)), threads: backend.threads };
    backend.stop();
    return result;
  }
  throw new Error(`program: expected a program of this file, got ${program}`);
}

/** Which kinds of code made at run time the surroundings refuse. */
export function probePolicy() {
  const refuses = (attempt) => {
    try {
      attempt();
      return false;
    } catch {
      return true;
    }
  };
  const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  return {
    refusesStrings: refuses(() => new Function("return 1")()),
    refusesWebAssembly: refuses(() => new WebAssembly.Module(emptyModule)),
  };
}
