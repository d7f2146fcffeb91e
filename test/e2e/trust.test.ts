import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCli, scratchFolder } from "./run-cli.ts";

const scratch = scratchFolder("trust");
afterAll(() => scratch.remove());
const run = (args: readonly string[]) => runCli([...args, "--workspace", scratch.path]);
const surrogate = "baseline:length";

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;
type Surrogates = { readonly surrogates: readonly { surrogate: string; level: string; labels: number }[] };

describe("kernelcast trust", () => {
  const search = ["search", "softmax-f32", "--forecaster", surrogate, "--measurements", "20"];

  it("measures in shadow what the forecaster would leave out, and says so in the report", async () => {
    const { code, stdout } = await run([...search, "--policy", "gate", "--json"]);
    expect(code).toBe(0);
    const { report, audited, trust } = json(stdout);
    expect(audited).toBeGreaterThan(4);
    expect(trust).toMatchObject({ asked: "auto", started: "shadow", ended: "shadow", labels: 19 });
    expect(await readFile(String(report), "utf8")).toContain("Why this surrogate was not trusted");
  }, 120_000);

  it("starts an unknown forecaster in shadow, and keeps what it showed", async () => {
    const { code, stdout } = await run(["trust", "status", "--forecaster", surrogate, "--json"]);
    expect(code).toBe(0);
    const { surrogates } = json(stdout) as unknown as Surrogates;
    expect(surrogates[0]).toMatchObject({ surrogate, level: "shadow", labels: 19 });
  });

  it("sets a level with who and why, exports it, and another ledger takes it over once", async () => {
    const [lines, ledger] = [join(scratch.path, "out.jsonl"), join(scratch.path, "other.sqlite")];
    const set = ["trust", "set", "live", "--forecaster", surrogate, "--who", "ada", "--because", "a test of levels"];
    expect((await run(set)).code).toBe(0);
    const history = await run(["trust", "history", "--forecaster", surrogate]);
    expect(history.stdout).toContain("shadow → live, by person: set by ada: a test of levels");
    await run(["trust", "export", "--out", lines]);
    const other = ["trust", "import", lines, "--ledger", ledger, "--json"];
    const [first, second] = [await run(other), await run(other)];
    expect(json(first.stdout)["added"]).toBeGreaterThan(0);
    expect(json(second.stdout)["added"]).toBe(0);
    const explain = await run(["trust", "explain", "--ledger", ledger, "--forecaster", surrogate]);
    expect(explain.stdout).toContain("is in live");
  });

  it("refuses what is no level", async () => {
    const { code, stderr } = await run(["trust", "set", "high", "--forecaster", "static", "--because", "x"]);
    expect(code).toBe(2);
    expect(stderr).toContain("known: shadow, canary, live");
    expect((await run(["search", "softmax-f32", "--trust", "liv"])).code).toBe(2);
  });

  it("bench trust prints the six figures", async () => {
    const { code, stdout } = await runCli(["bench", "trust", "--histories", "20", "--json"]);
    expect(code).toBe(0);
    for (const name of [
      "false_promotion_at_boundary",
      "false_promotion_skip_all",
      "promoted_within_400",
      "false_demotion_2000",
      "demoted_within_100",
      "audit_share",
    ]) {
      expect(json(stdout)[name]).toMatchObject({
        value: expect.any(Number),
        ci: [expect.any(Number), expect.any(Number)],
      });
    }
  }, 60_000);
});
