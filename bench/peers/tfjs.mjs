/**
 * BERT-mini in TensorFlow.js on WebAssembly: only a forward pass, because this backend has no gradient of embeddings,
 * and a step takes about 14 seconds without it.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { batchOf, HEADS, HIDDEN, INNER, LABELS, LAYERS } from "./bert-mini.mjs";
import { servePeer } from "./serve.mjs";

const DEVIATION = 0.02;

function modelIn(tf, vocabulary, { batch, positions, tokens }) {
  const normal = (...shape) => tf.randomNormal(shape, 0, DEVIATION, "float32", 1);
  const dense = (inputs, outputs) => {
    const [weight, bias] = [normal(inputs, outputs), tf.zeros([outputs])];
    return (x) => x.matMul(weight).add(bias);
  };
  const norm = () => {
    const [gamma, beta] = [tf.ones([HIDDEN]), tf.zeros([HIDDEN])];
    return (x) => {
      const centred = x.sub(x.mean(-1, true));
      const variance = centred.square().mean(-1, true);
      return centred.mul(variance.add(1e-12).rsqrt()).mul(gamma).add(beta);
    };
  };
  const gelu = (x) => x.mul(0.5).mul(tf.erf(x.mul(Math.SQRT1_2)).add(1));
  const width = HIDDEN / HEADS;
  const heads = (x) => x.reshape([batch, positions, HEADS, width]).transpose([0, 2, 1, 3]);
  const layers = Array.from({ length: LAYERS }, () => ({
    query: dense(HIDDEN, HIDDEN),
    key: dense(HIDDEN, HIDDEN),
    value: dense(HIDDEN, HIDDEN),
    output: dense(HIDDEN, HIDDEN),
    expand: dense(HIDDEN, INNER),
    contract: dense(INNER, HIDDEN),
    first: norm(),
    second: norm(),
  }));
  const [words, places, types] = [
    normal(vocabulary, HIDDEN),
    normal(positions, HIDDEN),
    normal(1, HIDDEN),
  ];
  const [normalise, pooler, classifier] = [norm(), dense(HIDDEN, HIDDEN), dense(HIDDEN, LABELS)];
  return (ids, bias) => {
    let x = normalise(
      tf
        .gather(words, ids)
        .add(tf.tile(places, [batch, 1]))
        .add(types),
    );
    for (const layer of layers) {
      const [query, key, value] = [layer.query, layer.key, layer.value].map((of) => heads(of(x)));
      const scores = tf
        .matMul(query, key, false, true)
        .mul(1 / Math.sqrt(width))
        .add(bias);
      const context = tf.matMul(tf.softmax(scores), value).transpose([0, 2, 1, 3]);
      x = layer.first(x.add(layer.output(context.reshape([tokens, HIDDEN]))));
      x = layer.second(x.add(layer.contract(gelu(layer.expand(x)))));
    }
    const first = x.reshape([batch, positions, HIDDEN]).slice([0, 0, 0], [batch, 1, HIDDEN]);
    return classifier(tf.tanh(pooler(first.reshape([batch, HIDDEN]))));
  };
}

await servePeer(async (request) => {
  const require = createRequire(import.meta.url);
  const tf = require("@tensorflow/tfjs");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  const binary = "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm";
  wasm.setWasmPaths(`${dirname(require.resolve(binary))}/`);
  if (request.threads > 1) wasm.setThreadsCount(request.threads);
  await tf.setBackend("wasm");
  await tf.ready();
  const batch = batchOf(request);
  const forward = modelIn(tf, request.vocabulary, batch);
  const ids = tf.tensor1d(batch.ids, "int32");
  const bias = tf.tensor(batch.bias, [batch.batch, 1, 1, batch.positions]);
  return {
    name: `tfjs ${tf.version.tfjs}`,
    runs: {
      forward: async () => {
        const logits = tf.tidy(() => forward(ids, bias));
        await logits.data();
        logits.dispose();
      },
    },
  };
});
