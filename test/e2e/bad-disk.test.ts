/** A disk that fills up, or cannot be written, under a search: one line, nothing lost, and the same command goes on. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cli, faultLines, runCli, scratchFolder, type CliResult } from "./run-cli.ts";

const scratch = scratchFolder("bad-disk");
afterAll(() => scratch.remove());

const canMount =
  spawnSync("unshare", ["-rm", "sh", "-c", `mount -t tmpfs tmpfs ${scratch.path}`], { stdio: "ignore" }).status === 0;
if (!canMount) console.log("skipped: a full and a read-only disk need unshare -rm, which is refused here");

const search = (workspace: string): string[] =>
  `search softmax-f32 --policy measure-all --measurements 24 --json --workspace ${workspace}`.split(" ");

/** Runs shell steps with a small disk of their own at `disk`; `run NAME` is the search, its outcome printed as JSON. */
function onSmallDisk(disk: string, steps: readonly string[]): readonly CliResult[] {
  const script = `
    set -eu
    mount -t tmpfs -o size=64k tmpfs ${disk}
    run() {
      code=0
      "$@" > ${scratch.path}/out 2> ${scratch.path}/err || code=$?
      ${process.execPath} -e 'const { readFileSync } = require("node:fs"); const [folder, code] = process.argv.slice(1);
        console.log(JSON.stringify({ code: Number(code), stdout: readFileSync(folder + "/out", "utf8"), stderr: readFileSync(folder + "/err", "utf8") }))' ${scratch.path} $code
    }
    search() { ${process.execPath} ${cli} ${search(`${disk}/workspace`).join(" ")}; }
    ${steps.join("\n")}`;
  const { stdout, stderr, status } = spawnSync("unshare", ["-rm", "sh", "-c", script], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as CliResult);
}

describe.skipIf(!canMount)("a workspace on a small disk", () => {
  const disk = join(scratch.path, "disk");
  mkdirSync(disk);

  it("is full at once, then in the middle, then has room: the search ends as on a large disk", async () => {
    const [first, middle, last] = onSmallDisk(disk, [
      "run search",
      `mount -o remount,size=160k ${disk}`,
      "run search",
      `mount -o remount,size=16m ${disk}`,
      "run search",
    ]);
    for (const full of [first, middle]) {
      expect({ code: full?.code, stdout: full?.stdout }).toEqual({ code: 1, stdout: "" });
      expect(full && faultLines(full)).toHaveLength(1);
      expect(full?.stderr).toMatch(/^kernelcast: [^\n]*the disk is full; [^\n]*give the same command again$/m);
    }
    expect(middle?.stderr).toMatch(/measured \d+\/24/);
    expect(last?.code).toBe(0);
    const undisturbed = JSON.parse((await runCli(search(scratch.next()))).stdout) as object;
    expect({ ...(JSON.parse(last?.stdout ?? "") as object), report: "" }).toEqual({ ...undisturbed, report: "" });
  });

  it("cannot be written: one line", () => {
    const [result] = onSmallDisk(disk, [`mount -o remount,ro ${disk}`, "run search"]);
    expect(result?.code).toBe(1);
    expect(result?.stderr).toMatch(/^kernelcast: [^\n]*cannot be written; choose another --workspace\n$/);
  });

  it("became read-only after a search: one line, and the run is kept", () => {
    const [whole, refused] = onSmallDisk(disk, [
      `mount -o remount,size=16m ${disk}`,
      "run search",
      `mount -o remount,ro ${disk}`,
      "run search",
    ]);
    expect(whole?.code).toBe(0);
    expect(refused?.code).toBe(1);
    expect(refused?.stderr).toMatch(/^kernelcast: [^\n]*cannot be written; choose another --workspace\n$/);
  });
});
