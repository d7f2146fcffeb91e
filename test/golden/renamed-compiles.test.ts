import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withSources } from "../../src/evaluate/sources.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";

const hasCompiler = spawnSync("nvcc", ["--version"]).status === 0;
const tasks = ["attention-f16", "reduce-sum-f32", "selective-scan-f32", "ray-triangle-f32"];

describe.skipIf(!hasCompiler)("sources that are shown in another form", async () => {
  const recording = await loadRecording("atlas", { tasks });
  const [device = ""] = recording.devices;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "kernelcast-renamed-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(tasks.flatMap((task) => [[task, "renamed"] as const, [task, "reformatted"] as const]))(
    "the longest kernel of %s still compiles when %s",
    (taskId, form) => {
      const measured = recording.measurements(taskId, device);
      const [longest] = withSources(recording, form)
        .kernels(taskId)
        .filter(({ kernel }) => measured.get(kernel.kernelId)?.status === "ok")
        .toSorted((a, b) => b.kernel.source.length - a.kernel.source.length);
      const path = join(folder, `${taskId}-${form}.cu`);
      writeFileSync(path, longest?.kernel.source ?? "");
      const { stderr, status } = spawnSync("nvcc", ["-arch=sm_90a", "-ptx", "-o", `${path}.ptx`, path]);
      expect(`${status} ${String(stderr)}`).toMatch(/^0 /);
    },
  );
});
