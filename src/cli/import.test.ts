import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runCommand } from "../testing/run-command.ts";

const cache = fileURLToPath(new URL("../formats/kernel-tuner/__fixtures__/open-cache.json", import.meta.url));

describe("import kernel-tuner", () => {
  it("makes a recording that a search explores by its parameters", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kernelcast-import-"));
    const out = join(folder, "tuned");
    const made = await runCommand(["import", "kernel-tuner", cache, "--out", out, "--json"]);
    expect(made.code).toBe(0);
    expect(JSON.parse(made.stdout)).toMatchObject({
      tasks: [{ task_id: "scale", kernels: 4, devices: { "Example GPU": { measured: 4, ok: 2, failed: 2 } } }],
    });
    expect(made.stderr).toMatch(/no source given/);

    const search = [
      "search",
      "scale",
      "--device",
      `recorded:${out}`,
      "--proposer",
      "tunables",
      "--policy",
      "measure-all",
    ];
    const found = await runCommand([...search, "--workspace", join(folder, "runs"), "--json"]);
    expect(found).toMatchObject({ code: 0 });
    expect(JSON.parse(found.stdout)).toMatchObject({
      measured: 3,
      best: { runtime_us: 250, speedup: 2 },
    });

    const results = join(folder, "results_T4.json");
    const { run_id: run } = JSON.parse(found.stdout) as { readonly run_id: string };
    const exported = await runCommand(["export", "t4", run, "--out", results, "--workspace", join(folder, "runs")]);
    expect(exported).toMatchObject({ code: 0, stdout: `${results}: 4 results\n` });
    const document = JSON.parse(readFileSync(results, "utf8")) as { readonly results: readonly unknown[] };
    expect(document.results).toContainEqual(
      expect.objectContaining({
        configuration: { BLOCK_SIZE_X: 64, block_size_y: 4, items: 1 },
        invalidity: "correct",
        correctness: 1,
        measurements: [{ name: "time", value: 0.25, unit: "ms" }],
      }),
    );
    expect(document.results.map((result) => (result as { invalidity: string }).invalidity).toSorted()).toEqual([
      "compile",
      "correct",
      "correct",
      "runtime",
    ]);
    const back = ["import", "kernel-tuner", results, "--task", "scale", "--out", join(folder, "back"), "--json"];
    expect(JSON.parse((await runCommand(back)).stdout)).toMatchObject({
      tasks: [{ task_id: "scale", kernels: 4, devices: { results: { measured: 4, ok: 2, failed: 2 } } }],
    });

    const again = await runCommand(["import", "kernel-tuner", cache, "--out", out]);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/holds a recording already/) });
  });
});
