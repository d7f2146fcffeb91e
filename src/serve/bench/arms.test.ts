import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { armKey, chooseArms, usualArms, type Arm } from "./arms.ts";

const scratch = mkdtempSync(join(tmpdir(), "kernelcast-arms-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("arms", () => {
  it("are named by the table, by recorded forecasts, or by policy and forecaster; two are always there", () => {
    const arms = chooseArms(["published-gate", "top-k:ensemble:static", "recorded:f.jsonl#model", "published-gate"]);
    expect(arms.map(({ name }) => name)).toEqual([
      "measure-all",
      "published-gate",
      "top-k:ensemble:static",
      "recorded:f.jsonl#model",
      "oracle",
    ]);
    expect(arms[2]).toMatchObject({ policy: "top-k", forecaster: "ensemble:static" });
    expect(arms[3]).toMatchObject({ forecaster: "recorded:f.jsonl#model" });
    expect(chooseArms(usualArms).map(({ name }) => name)).toEqual(usualArms);
  });

  it("that are unknown are wrong use, with a hint", () => {
    expect(() => chooseArms(["orcale"])).toThrow(/--arms orcale: unknown .*oracle/);
    expect(() => chooseArms(["top-k:nonsense"])).toThrow(/nonsense/);
    expect(() => chooseArms(["top-k:openai:some-model"])).toThrow(/give recorded:FILE/);
    expect(() => chooseArms(["toString"])).toThrow(/unknown/);
  });

  it("have keys by what they do, not by name, and by the content of the files that they name", () => {
    const armOf = (name: string): Arm => chooseArms([name])[1] as Arm;
    const keyOf = (name: string): string => armKey(armOf(name));
    expect(armKey({ ...armOf("ours"), name: "other" })).toBe(keyOf("ours"));
    const keys = usualArms.filter((name) => name !== "measure-all").map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    const path = join(scratch, "forecasts.jsonl");
    writeFileSync(path, "one");
    const before = keyOf(`recorded:${path}#m`);
    expect(keyOf(`recorded:${path}#m`)).toBe(before);
    writeFileSync(path, "two");
    expect(keyOf(`recorded:${path}#m`)).not.toBe(before);
  });
});
