/** A recording that two devices measured, through the commands that take a recording. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRecording } from "../../src/formats/write-recording.ts";
import { syntheticRecording } from "../../src/testing/synthetic-recording.ts";
import { runCli, scratchFolder } from "./run-cli.ts";

const scratch = scratchFolder("two-devices");
const folder = join(scratch.path, "recording");
const recording = syntheticRecording({ kernels: 60, secondDevice: { name: "NVIDIA H200", everyNth: 3 } });
beforeAll(() => writeRecording(folder, recording));
afterAll(() => scratch.remove());

async function json(...words: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runCli([...words, "--json"]);
  expect([code, stderr.includes("kernelcast: ")]).toEqual([0, false]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("a recording of two devices", () => {
  it("is counted and verified by device", async () => {
    expect(await json("recording", "info", folder)).toMatchObject({
      main_device: "synthetic",
      measured: 120,
      devices: {
        synthetic: {
          measured: 120,
          ok: 112,
          passes: { kernels: 112, over_3_percent: 0, third_passes: 0, unconfirmed: 0 },
        },
        "NVIDIA H200": { measured: 40, ok: 32, passes: { kernels: 32 } },
      },
    });
    const { stdout } = await runCli(["recording", "info", folder]);
    expect(stdout).toMatch(/^NVIDIA H200: 40 measured, two passes of 32 kernels differ by .*0 not confirmed/m);
    expect(await json("recording", "check", folder)).toMatchObject({ errors: 0, warnings: 0 });
  });

  it("is replayed on the device that measured most, or on the one that is named", async () => {
    const search = (device: string): Promise<Record<string, unknown>> =>
      json(
        "search",
        "synthetic-a",
        "--device",
        device,
        "--policy",
        "measure-all",
        "--measurements",
        "60",
        "--workspace",
        scratch.next(),
      );
    const seedUs = (device: string): number | undefined =>
      recording.measurements("synthetic-a", device).get(recording.kernels("synthetic-a")[0]?.kernel.kernelId ?? "")
        ?.runtime?.medianUs;
    // One kernel of each does not compile, which is no measurement.
    expect(await search(`recorded:${folder}`)).toMatchObject({
      measured: 59,
      seed_kernel: { runtime_us: seedUs("synthetic") },
    });
    expect(await search(`recorded:${folder}#h200`)).toMatchObject({
      measured: 19,
      stopped: "no-more-proposals",
      seed_kernel: { runtime_us: seedUs("NVIDIA H200") },
    });
    const unknown = await runCli(["search", "synthetic-a", "--device", `recorded:${folder}#a100`]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/device "a100" is not in the recording \(it has: synthetic, NVIDIA H200\)/);
  });
});
