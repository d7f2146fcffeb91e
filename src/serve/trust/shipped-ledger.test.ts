import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openLedgerWithShipped } from "./shipped-ledger.ts";
import { surrogateRecipe } from "./surrogate-recipe.ts";
import { trustStatus } from "./trust-document.ts";

const folder = mkdtempSync(join(tmpdir(), "shipped-trust-"));
const ledger = openLedgerWithShipped(join(folder, "trust.sqlite"));
afterAll(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the ledger that ships", () => {
  it.each(["static", "compare", "auto", "adapt:auto"])(
    "%s is live by what it earned, as it is now: else npm run earn:trust",
    (surrogate) => {
      const key = ledger.keys().find((one) => one.surrogate === surrogate);
      expect(key?.recipe).toBe(surrogateRecipe(surrogate));
      const status = key && trustStatus(ledger, key);
      expect(status?.level).toBe("live");
      expect(status?.last_change?.by).toBe("labels");
    },
  );

  it("holds labels of the validation split alone", () => {
    const kinds = new Set(ledger.entries().map(({ entry }) => entry.kind));
    expect([...kinds]).toEqual(["label"]);
    const families = ledger.entries().flatMap(({ entry }) => (entry.kind === "label" ? [entry.label.family] : []));
    const validation = ["layout", "pooling", "resampling", "selection", "loss", "transform", "string"];
    expect([...new Set(families)].filter((family) => !validation.includes(family))).toEqual([]);
  });
});

describe("a surrogate's recipe", () => {
  it("is one for each that ships, and another for another", () => {
    const names = [
      "static",
      "compare",
      "embedded",
      "auto",
      "adapt:auto",
      "adapt:static",
      "ensemble:static+compare",
      "baseline:length",
    ];
    const recipes = names.map(surrogateRecipe);
    // auto is the ensemble of static and compare.
    expect(new Set(recipes).size).toBe(names.length - 1);
    for (const recipe of recipes) expect(recipe).toMatch(/^[0-9a-f]{64}$/);
  });
});
