import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseCompareModel } from "./compare-model.ts";
import { createCompareForecaster } from "./compare-forecaster.ts";
import { forecasterContract } from "../../testing/forecaster-contract.ts";
import { syntheticRequest } from "../../testing/synthetic-request.ts";

const path = fileURLToPath(new URL("../../../models/compare-v1.json", import.meta.url));
const text = await readFile(path, "utf8");
const open = () => createCompareForecaster(parseCompareModel(text, path));

forecasterContract("compare", { request: syntheticRequest(), open }, { describe, it, expect });

describe("the forecaster compare", () => {
  it("forecasts a kernel that is an anchor close to its time", async () => {
    const request = syntheticRequest();
    const anchor = request.anchors[0]!;
    const { forecasts } = await open().forecast({ ...request, candidates: [anchor.kernel] });
    expect(forecasts[0]?.m).toBeCloseTo(Math.log2(anchor.measurement.runtime.medianUs), 0);
  });

  it("has no forecasts without a measured kernel", async () => {
    const answer = await open().forecast({ ...syntheticRequest(), anchors: [] });
    expect(answer.forecasts).toEqual([]);
  });
});

describe("a model of the forecaster compare", () => {
  const damaged = (change: (model: { tensors: Record<string, { data: string }>; featureNames: string[] }) => void) => {
    const model = JSON.parse(text);
    change(model);
    return () => parseCompareModel(JSON.stringify(model), "m.json");
  };

  it("is refused with one line where it is no model, cut off, or of other features", () => {
    expect(() => parseCompareModel("{", "m.json")).toThrow("m.json: not a model: it is not JSON");
    expect(() => parseCompareModel("{}", "m.json")).toThrow(/^m\.json: not a model of the forecaster compare: format/);
    expect(damaged(({ tensors }) => (tensors["change.weight"]!.data = "AAAA"))).toThrow(
      "m.json: the weights change.weight are damaged",
    );
    expect(damaged(({ tensors }) => delete tensors["centre"])).toThrow("m.json: the weights centre are damaged");
    expect(damaged(({ featureNames }) => featureNames.reverse())).toThrow("trained on other features");
  });
});
