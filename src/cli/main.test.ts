/** The program as a process: signals and closed pipes. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { quoteWord } from "../process/shell-words.ts";
import { scriptedWorker, type ScriptedWorker } from "../testing/fake-workers/scripted.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = `import(${JSON.stringify(new URL("main.ts", import.meta.url).href)}).then((module) => module.main(process.argv.slice(1)))`;

function start(words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", "-e", program, "--", ...words], { cwd: root, env });
}

async function finished(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = "";
  child.stderr?.on("data", (text) => (stderr += String(text)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stderr };
}

/** A `python3` that is the scripted worker. */
function asPython(worker: ScriptedWorker): NodeJS.ProcessEnv {
  const path = join(mkdtempSync(join(tmpdir(), "kernelcast-python-")), "python3");
  writeFileSync(path, `#!/bin/sh\nexec ${worker.argv.map(quoteWord).join(" ")}\n`);
  chmodSync(path, 0o755);
  return { ...worker.env, KERNELCAST_PYTHON: path };
}

function workersOf(worker: ScriptedWorker): string {
  const listed = spawnSync("ps", ["-eo", "stat=,args="], { encoding: "utf8" }).stdout;
  return listed
    .split("\n")
    .filter((line) => line.includes(worker.argv.join(" ")) && !line.startsWith("Z"))
    .join("\n");
}

describe("the process", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "ends at %s: one line, exit code 130, no worker left",
    async (signal) => {
      const worker = scriptedWorker("silent");
      const child = start(["measure", "tasks/reduce-sum-f32", "tasks/reduce-sum-f32/seed.cu"], asPython(worker));
      const end = finished(child);
      await expect.poll(() => worker.log().join(), { timeout: 30_000 }).toMatch(/measure/);
      child.kill(signal);
      expect(await end).toEqual({ code: 130, stderr: "kernelcast: interrupted\n" });
      expect(workersOf(worker)).toBe("");
    },
  );

  it("is interrupted while doctor looks", async () => {
    const worker = scriptedWorker("indescribable");
    const child = start(["doctor"], asPython(worker));
    const end = finished(child);
    await expect.poll(() => worker.log().join(), { timeout: 30_000 }).toMatch(/describe/);
    child.kill("SIGINT");
    const { code, stderr } = await end;
    expect(code).toBe(130);
    expect(stderr).toBe("kernelcast: interrupted\n");
    await expect.poll(() => workersOf(worker), { timeout: 10_000 }).toBe("");
  });

  it("ends at once at the second Ctrl-C, even when the worker will not", async () => {
    const worker = scriptedWorker("stubborn-silent");
    const child = start(["measure", "tasks/reduce-sum-f32", "tasks/reduce-sum-f32/seed.cu"], asPython(worker));
    const end = finished(child);
    await expect.poll(() => worker.log().join(), { timeout: 30_000 }).toMatch(/measure/);
    const before = Date.now();
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGINT"), 300);
    expect((await end).code).toBe(130);
    expect(Date.now() - before).toBeLessThan(4000);
    expect(workersOf(worker)).toBe("");
  });

  it("survives a reader that goes away", async () => {
    const child = start(["--help"], process.env);
    child.stdout?.destroy();
    expect(await finished(child)).toEqual({ code: 0, stderr: "" });
  });
});

describe("bin/kernelcast.js", () => {
  it("says what to do when the package is not built", () => {
    const folder = mkdtempSync(join(tmpdir(), "kernelcast-bin-"));
    spawnSync("cp", ["-r", join(root, "bin"), folder]);
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const { status, stderr } = spawnSync(process.execPath, [join(folder, "bin", "kernelcast.js")], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "kernelcast: dist/ is missing; run `npm run build` in the package's folder\n",
    });
    expect(existsSync(join(folder, "dist"))).toBe(false);
  });
});
