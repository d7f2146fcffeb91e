import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex, type Forecaster } from "../domain/index.ts";
import { plainRecipe } from "../forecast/calibrate/recipe.ts";
import { parseEnsembleRecipe, type EnsembleRecipe } from "../forecast/ensemble/ensemble-recipe.ts";
import { syntheticDeviceInfo, syntheticForecaster, syntheticTask } from "../testing/synthetic.ts";
import { checkForecaster, openForecaster } from "./open-forecaster.ts";
import { memberNames, openAuto, openEnsemble, shippedMembers, type MemberSource } from "./open-ensemble.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kernelcast-ensemble-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Members whose models are files with their name, and whose forecasts are off by so many doublings. */
async function sourcesOf(offsets: Readonly<Record<string, number>>): Promise<Record<string, MemberSource>> {
  const entries = Object.entries(offsets).map(async ([name, offset]) => {
    const model = join(folder, `${name}.json`);
    await writeFile(model, name);
    return [name, { model, open: () => Promise.resolve(shifted(offset)) }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

function shifted(offset: number): Forecaster {
  const plain = syntheticForecaster();
  return {
    name: "shifted",
    forecast: async (request) => {
      const { forecasts, cost } = await plain.forecast(request);
      return { cost, forecasts: forecasts.map((forecast) => ({ ...forecast, m: forecast.m + offset })) };
    },
  };
}

async function writeRecipe(weights: Readonly<Record<string, number>>, sha256Of = sha256Hex): Promise<void> {
  const recipe: EnsembleRecipe = {
    format: "kernelcast-ensemble-1",
    members: Object.entries(weights).map(([name, weight]) => ({
      name,
      modelSha256: sha256Of(name),
      weight,
      recipe: structuredClone(plainRecipe) as EnsembleRecipe["members"][number]["recipe"],
    })),
    fittedOn: { recording: "r", split: "validation", device: "synthetic", tasks: ["t"], kernels: 1, outcomes: 1 },
  };
  await writeFile(join(folder, `ensemble-${Object.keys(weights).join("+")}.json`), JSON.stringify(recipe));
}

async function medianOf(forecaster: Forecaster): Promise<number> {
  const task = syntheticTask();
  const { forecasts } = await forecaster.forecast({
    task,
    device: syntheticDeviceInfo,
    anchors: [],
    candidates: [task.seedKernel],
  });
  return forecasts[0]?.m ?? Number.NaN;
}

describe("ensembles by name", () => {
  it("weigh their members as their recipe says, and evenly without one", async () => {
    const sources = await sourcesOf({ one: 0, two: 4 });
    const plain = await medianOf(await sources["one"]!.open(""));
    const even = await medianOf(await openEnsemble("one+two", { sources, folder }));
    expect(even - plain).toBeGreaterThan(1);
    await writeRecipe({ one: 0.97, two: 0.03 });
    const forecaster = await openEnsemble("one+two", { sources, folder });
    expect(forecaster.name).toBe("ensemble:one+two");
    expect((await medianOf(forecaster)) - plain).toBeLessThan(0.1);
  });

  it("are not opened with a recipe that was fitted to another model", async () => {
    const sources = await sourcesOf({ stale: 0 });
    await writeRecipe({ stale: 1 }, () => "0".repeat(64));
    await expect(openEnsemble("stale", { sources, folder })).rejects.toThrow(
      /fitted to another model.*npm run calibrate/,
    );
  });

  it("refuse members that there are not, names twice and none, and recipes that are not ones", async () => {
    expect(() => memberNames("static+embeded")).toThrow(/no member "embeded"/);
    expect(() => memberNames("static+static")).toThrow(/named twice/);
    expect(() => memberNames("")).toThrow(/name its members, for example ensemble:static/);
    expect(() => parseEnsembleRecipe("{", "r.json")).toThrow(/r\.json.*not JSON/);
    expect(() => parseEnsembleRecipe("{}", "r.json")).toThrow(/r\.json.*not an ensemble's recipe/);
  });

  it("of auto are all whose models are there", async () => {
    const sources = await sourcesOf({ here: 0, also: 1 });
    const absent = {
      ...sources,
      absent: { model: join(folder, "none.json"), open: () => Promise.reject(new Error()) },
    };
    expect((await openAuto({ sources: absent, folder })).name).toBe("ensemble:here+also");
    await expect(openAuto({ sources: {}, folder })).rejects.toThrow(/no forecaster's model/);
  });
});

const smallModel = fileURLToPath(new URL("../forecast/embedded/__fixtures__/small", import.meta.url));

describe("the forecasters that ship", () => {
  it("have recipes fitted to the models that ship", async () => {
    const models = join(shippedMembers["static"]!.model, "..");
    const recipes = (await readdir(models)).flatMap((name) => /^ensemble-(.+)\.json$/.exec(name)?.[1] ?? []);
    expect(recipes).toEqual(expect.arrayContaining([...Object.keys(shippedMembers), "static+compare"]));
    for (const names of recipes.map((recipe) => recipe.split("+"))) {
      const path = join(models, `ensemble-${names.join("+")}.json`);
      const { members, fittedOn } = parseEnsembleRecipe(await readFile(path, "utf8"), path);
      expect(members.map(({ name }) => name)).toEqual(names);
      for (const { name, modelSha256 } of members)
        expect(modelSha256).toBe(sha256Hex(await readFile(shippedMembers[name]!.model, "utf8")));
      expect(fittedOn.split).toBe("validation");
    }
  });

  it("open as auto and by their names, and nothing else does", async () => {
    const auto = await openForecaster("auto");
    expect(auto.name).toBe("ensemble:static+compare");
    await auto.close?.();
    const calibrated = await openForecaster("compare");
    expect(calibrated.name).toBe("compare");
    expect(await medianOf(calibrated)).toBe(await medianOf(await openForecaster("ensemble:compare")));
    expect((await openForecaster("ensemble:static")).name).toBe("ensemble:static");
    checkForecaster("embedded");
    const embedded = await openForecaster(`embedded:${smallModel}`, { env: { KERNELCAST_ONNX: "web" } });
    expect(embedded.name).toBe("embedded");
    await embedded.close?.();
    expect(() => checkForecaster("auto:static")).toThrow(/auto stands alone/);
    expect(() => checkForecaster("ensemble:oracle")).toThrow(/no member "oracle"/);
    expect(() => checkForecaster("oracle")).toThrow(/unknown kind/);
  });
});
