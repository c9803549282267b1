// Networks in the browser: onnxruntime-web on one processor core, so that no page needs special
// headers. All files lie beside this one.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = {
  wasm: new URL("./ort/ort-wasm-simd-threaded.wasm", import.meta.url).href,
};
ort.env.logLevel = "error";

// Return a function that asks a network: arrays with their shapes by name in, an array out.
//
// name: that of a file in models/. An input is {data, shape}; Uint8Array and Float32Array are known.
export async function loadNetwork(name) {
  const address = new URL(`./models/${name}.onnx`, import.meta.url).href;
  const session = await ort.InferenceSession.create(address, { executionProviders: ["wasm"] });
  const [output] = session.outputNames;
  return async (inputs) => {
    const feeds = {};
    for (const [key, { data, shape }] of Object.entries(inputs)) {
      const kind = data instanceof Uint8Array ? "uint8" : "float32";
      feeds[key] = new ort.Tensor(kind, data, shape);
    }
    return (await session.run(feeds))[output].data;
  };
}
