import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { featureNames } from "./features.ts";
import { loadStaticForecaster } from "./load-static-forecaster.ts";
import type { StaticModel } from "./static-model.ts";

const leaf = { feature: [-1], threshold: [0], missingLeft: [0], left: [-1], right: [-1], value: [0.1] };
const model: StaticModel = {
  format: "kernelcast-static-1",
  featureNames: [...featureNames],
  line: { features: [0], weights: [1], centres: [0], low: [-1], high: [1] },
  median: { base: 0, trees: [leaf] },
  spread: { base: -1, trees: [] },
  ok: { base: 2, trees: [] },
  calibration: {
    scaleLow: 1,
    scaleHigh: 1,
    okSlope: 1,
    okShift: 0,
    anchors: { reach: 1, steadiness: 1, sharpening: 0.5 },
  },
  prior: { median: -1, sigmaLow: 1, sigmaHigh: 1, pOk: 0.9 },
  trainedOn: { recording: "r", device: "d", tasks: [], kernels: 0 },
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kernelcast-static-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(text: string): Promise<string> {
  const path = join(folder, "model.json");
  await writeFile(path, text);
  const forecaster = await loadStaticForecaster(path);
  return forecaster.name;
}

test("loads a model", async () => {
  await expect(load(JSON.stringify(model))).resolves.toBe("static");
});

test.each<[string, string, RegExp]>([
  ["a text", "hello", /not JSON/],
  ["another format", JSON.stringify({ ...model, format: "x" }), /not a model of the static forecaster: format/],
  ["other features", JSON.stringify({ ...model, featureNames: ["a"] }), /trained on other features/],
  [
    "a tree that runs in a circle",
    JSON.stringify({ ...model, ok: { base: 0, trees: [{ ...leaf, feature: [3], left: [0], right: [0] }] } }),
    /a tree is damaged/,
  ],
  ["a tree cut short", JSON.stringify({ ...model, ok: { base: 0, trees: [{ ...leaf, value: [] }] } }), /damaged/],
])("refuses %s in one line", async (_, text, message) => {
  await expect(load(text)).rejects.toThrow(message);
});

test("says which file is missing", async () => {
  await expect(loadStaticForecaster(join(folder, "none.json"))).rejects.toThrow(/none\.json: no such file/);
});
