/** BERT-mini in jax-js on WebAssembly: its gradients and a forward pass, without dropout, compiled by its `jit`. */
import { batchOf, HEADS, HIDDEN, INNER, LABELS, LAYERS } from "./bert-mini.mjs";
import { servePeer } from "./serve.mjs";

const VERSION = "0.1.25";
const DEVIATION = 0.02;

/** The parameters by name; weights are [inputs, outputs]. */
function parametersOf({ numpy: np, random }, vocabulary, positions) {
  let key = 0;
  const normal = (...shape) => random.normal(random.key(key++), shape).mul(DEVIATION);
  const linear = (name, inputs, outputs) => ({
    [`${name}.w`]: normal(inputs, outputs),
    [`${name}.b`]: np.zeros([outputs]),
  });
  const norm = (name) => ({ [`${name}.g`]: np.ones([HIDDEN]), [`${name}.b`]: np.zeros([HIDDEN]) });
  const layer = (l) => ({
    ...linear(`${l}.query`, HIDDEN, HIDDEN),
    ...linear(`${l}.key`, HIDDEN, HIDDEN),
    ...linear(`${l}.value`, HIDDEN, HIDDEN),
    ...linear(`${l}.output`, HIDDEN, HIDDEN),
    ...linear(`${l}.expand`, HIDDEN, INNER),
    ...linear(`${l}.contract`, INNER, HIDDEN),
    ...norm(`${l}.first`),
    ...norm(`${l}.second`),
  });
  return {
    words: normal(vocabulary, HIDDEN),
    places: normal(positions, HIDDEN),
    types: normal(1, HIDDEN),
    ...norm("embeddings"),
    ...Object.assign({}, ...Array.from({ length: LAYERS }, (_, l) => layer(l))),
    ...linear("pooler", HIDDEN, HIDDEN),
    ...linear("classifier", HIDDEN, LABELS),
  };
}

/** The logits of a batch. An operation consumes its arguments; `ref` keeps one for further use. */
function forwardIn({ numpy: np, nn, lax }, { batch, positions, tokens }) {
  const linear = (p, name, x) => np.matmul(x, p[`${name}.w`]).add(p[`${name}.b`]);
  const norm = (p, name, x) => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    const scaled = centred.mul(np.reciprocal(np.sqrt(variance.add(1e-12))));
    return scaled.mul(p[`${name}.g`]).add(p[`${name}.b`]);
  };
  const gelu = (x) => x.ref.mul(0.5).mul(lax.erf(x.mul(Math.SQRT1_2)).add(1));
  const width = HIDDEN / HEADS;
  const heads = (x) => np.transpose(np.reshape(x, [batch, positions, HEADS, width]), [0, 2, 1, 3]);
  const attend = (p, l, x, bias) => {
    const query = heads(linear(p, `${l}.query`, x.ref));
    const key = np.transpose(heads(linear(p, `${l}.key`, x.ref)), [0, 1, 3, 2]);
    const value = heads(linear(p, `${l}.value`, x));
    const scores = np
      .matmul(query, key)
      .mul(1 / Math.sqrt(width))
      .add(bias);
    const context = np.transpose(np.matmul(nn.softmax(scores, -1), value), [0, 2, 1, 3]);
    return linear(p, `${l}.output`, np.reshape(context, [tokens, HIDDEN]));
  };
  return (p, ids, bias) => {
    let x = np
      .take(p.words, ids, 0)
      .add(np.tile(p.places, [batch, 1]))
      .add(p.types);
    x = norm(p, "embeddings", x);
    for (let l = 0; l < LAYERS; l++) {
      x = norm(p, `${l}.first`, x.ref.add(attend(p, l, x, bias.ref)));
      const inner = gelu(linear(p, `${l}.expand`, x.ref));
      x = norm(p, `${l}.second`, x.add(linear(p, `${l}.contract`, inner)));
    }
    bias.dispose?.();
    const first = np.reshape(x, [batch, positions, HIDDEN]).slice([], 0, []);
    return linear(p, "classifier", np.tanh(linear(p, "pooler", first)));
  };
}

await servePeer(async (request) => {
  const jax = await import("@jax-js/jax");
  const { numpy: np, nn, jit, tree, valueAndGrad } = jax;
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const batch = batchOf(request);
  const parameters = parametersOf(jax, request.vocabulary, batch.positions);
  const forward = forwardIn(jax, batch);
  const loss = (p, ids, bias, labels) =>
    np.mean(np.sum(nn.logSoftmax(forward(p, ids, bias), -1).mul(labels), -1)).mul(-1);
  const ids = np.array(batch.ids, { dtype: np.int32 });
  const bias = np.reshape(np.array(batch.bias), [batch.batch, 1, 1, batch.positions]);
  const labels = nn.oneHot(np.array(batch.labels, { dtype: np.int32 }), LABELS);
  const logitsOf = jit(forward);
  const gradientsOf = jit(valueAndGrad(loss));
  return {
    name: `jax-js ${VERSION}`,
    runs: {
      gradients: async () => {
        const [value, gradients] = gradientsOf(tree.ref(parameters), ids.ref, bias.ref, labels.ref);
        await value.data();
        for (const gradient of Object.values(gradients)) gradient.dispose();
      },
      forward: async () => {
        await logitsOf(tree.ref(parameters), ids.ref, bias.ref).data();
      },
    },
  };
});
