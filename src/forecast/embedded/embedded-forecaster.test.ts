import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel } from "../../domain/index.ts";
import { forecasterContract } from "../../testing/forecaster-contract.ts";
import { syntheticRequest } from "../../testing/synthetic-request.ts";
import { loadEmbeddedForecaster } from "./load-embedded-forecaster.ts";
import { findOnnxRuntime } from "./onnx-runtime.ts";

const small = fileURLToPath(new URL("__fixtures__/small", import.meta.url));
const web = { env: { KERNELCAST_ONNX: "web" } };
const open = () => loadEmbeddedForecaster(small, undefined, web);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kernelcast-embedded-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

forecasterContract("embedded", { request: syntheticRequest(), open }, { describe, it, expect });

describe("the forecaster embedded", () => {
  it("reads the source: names and comments change nothing, other words do", async () => {
    const request = syntheticRequest();
    const { seedKernel } = request.task;
    const spelt = (change: (source: string) => string) =>
      makeKernel({ ...seedKernel, source: change(seedKernel.source) }, {});
    const candidates = [
      seedKernel,
      spelt((text) => `// a remark\n${text}`),
      spelt((text) => `${text}\nint x = 1 + 2;\n`),
    ];
    const forecaster = await open();
    const { forecasts } = await forecaster.forecast({ ...request, candidates });
    await forecaster.close?.();
    expect(forecasts[1]?.m).toBe(forecasts[0]?.m);
    expect(forecasts[2]?.m).not.toBe(forecasts[0]?.m);
  });

  it("is closed once for all", async () => {
    const forecaster = await open();
    await forecaster.close?.();
    await expect(forecaster.forecast(syntheticRequest())).rejects.toThrow("the encoder was closed");
  });

  it("lets the process end by itself", async () => {
    const program = `
      import { loadEmbeddedForecaster } from ${JSON.stringify(new URL("load-embedded-forecaster.ts", import.meta.url).href)};
      await loadEmbeddedForecaster(${JSON.stringify(small)}, undefined, { env: { KERNELCAST_ONNX: "web" } });
      console.log("open");`;
    await writeFile(join(folder, "program.mts"), program);
    const tsx = fileURLToPath(import.meta.resolve("tsx/cli"));
    const done = await promisify(execFile)(process.execPath, [tsx, join(folder, "program.mts")], { timeout: 60_000 });
    expect(done).toEqual({ stdout: "open\n", stderr: "" });
  }, 70_000);
});

describe("a model of the forecaster embedded", () => {
  const damaged = async (change: (head: Record<string, unknown>) => void): Promise<string> => {
    const place = await mkdtemp(join(folder, "m-"));
    await cp(small, place, { recursive: true });
    const head = JSON.parse(await readFile(join(place, "head.json"), "utf8")) as Record<string, unknown>;
    change(head);
    await writeFile(join(place, "head.json"), JSON.stringify(head));
    return place;
  };

  it.each([
    ["other words", (head: Record<string, unknown>) => (head["vocabulary"] = { words: [] }), /trained on other words/],
    ["other features", (head: Record<string, unknown>) => (head["usesFeatures"] = true), /trained on other features/],
    [
      "damaged weights",
      (head: Record<string, unknown>) => (head["textWidth"] = 8),
      /weights text\.0\.weight are damaged/,
    ],
    ["another encoder", (head: Record<string, unknown>) => (head["encoderSha256"] = "0".repeat(64)), /not the encoder/],
    [
      "no format",
      (head: Record<string, unknown>) => delete head["format"],
      /not a model of the forecaster embedded: format/,
    ],
  ])("is refused with one line for %s", async (_, change, message) => {
    const place = await damaged(change);
    await expect(loadEmbeddedForecaster(place, undefined, web)).rejects.toMatchObject({
      code: "model",
      message: expect.stringMatching(message) as string,
    });
  });

  it("is refused where there is none", async () => {
    await expect(loadEmbeddedForecaster(join(folder, "none"), undefined, web)).rejects.toThrow(
      /^cannot read the forecaster's model .*head\.json: no such file$/,
    );
  });
});

describe("the runtime", () => {
  /** A package of the user's that says it is onnxruntime-node. */
  async function install(place: string, source: string): Promise<void> {
    const own = join(place, "node_modules", "onnxruntime-node");
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "package.json"), JSON.stringify({ name: "onnxruntime-node", main: "index.js" }));
    await writeFile(join(own, "index.js"), source);
  }

  it("is the user's onnxruntime-node where it loads, unless told otherwise", async () => {
    const place = join(folder, "with-native");
    await install(place, "module.exports = { InferenceSession: 'of the user', Tensor: 0 };");
    expect(await findOnnxRuntime({ env: {}, folder: place })).toMatchObject({
      name: "node",
      runtime: { InferenceSession: "of the user" },
    });
    expect((await findOnnxRuntime({ ...web, folder: place })).name).toBe("web");
  });

  it("is WebAssembly where onnxruntime-node does not load", async () => {
    const place = join(folder, "with-broken");
    await install(place, "throw new Error('no such library');");
    expect((await findOnnxRuntime({ env: {}, folder: place })).name).toBe("web");
    const asked = findOnnxRuntime({ env: { KERNELCAST_ONNX: "node" }, folder: place });
    await expect(asked).rejects.toThrow(/no onnxruntime-node that loads; npm install onnxruntime-node/);
  });

  it("is not anything else", async () => {
    await expect(findOnnxRuntime({ env: { KERNELCAST_ONNX: "gpu" } })).rejects.toThrow(
      "KERNELCAST_ONNX=gpu: write web or node",
    );
  });
});
