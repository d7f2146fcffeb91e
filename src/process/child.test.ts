import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { describeExit, startChild, type Child } from "./child.ts";

const node = process.execPath;

async function output(child: Child): Promise<string> {
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (piece: string) => (text += piece));
  await child.exited;
  return text;
}

/** A zombie that nobody has reaped yet is not alive. */
function alive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}

/** Starts a shell that starts a grandchild and prints its process id. */
async function withGrandchild(script: string): Promise<{ child: Child; grandchild: number }> {
  const child = startChild({ argv: ["sh", "-c", script], graceMs: 300 });
  const pid = await new Promise<string>((resolve) =>
    child.stdout.once("data", (bytes: Buffer) => resolve(String(bytes))),
  );
  return { child, grandchild: Number(pid) };
}

describe("startChild", () => {
  it("passes text through a program and tells how it ended", async () => {
    const child = startChild({ argv: ["cat"] });
    child.write("hello\n");
    child.endInput();
    expect(await output(child)).toBe("hello\n");
    expect(describeExit(await child.exited)).toBe("exited with code 0");
  });

  it("tells of a program that does not exist", async () => {
    const child = startChild({ argv: ["/no/such/program"] });
    child.write("into the void");
    expect(await child.exited).toEqual({ kind: "not_started", code: "ENOENT", reason: "no such program" });
    await expect(child.terminate()).resolves.toMatchObject({ kind: "not_started" });
  });

  it("keeps only the end of standard error", async () => {
    const child = startChild({
      argv: [node, "-e", 'console.error("a".repeat(1e6)); console.error("last")'],
      stderrCap: 100,
    });
    await child.exited;
    expect(child.stderrTail()).toHaveLength(100);
    expect(child.stderrTail().trimEnd().endsWith("last")).toBe(true);
  });

  it("ends the whole group, also when it ignores SIGTERM", async () => {
    const { child, grandchild } = await withGrandchild("trap '' TERM; sleep 100 & echo $!; while :; do sleep 1; done");
    expect(alive(grandchild)).toBe(true);
    expect(await child.terminate()).toEqual({ kind: "killed", signal: "SIGKILL" });
    await sleep(50);
    expect(alive(grandchild)).toBe(false);
  });

  it("leaves no grandchild behind when the leader ends by itself", async () => {
    const { child, grandchild } = await withGrandchild("sleep 100 & echo $!");
    expect(await child.exited).toEqual({ kind: "exited", code: 0 });
    await sleep(50);
    expect(alive(grandchild)).toBe(false);
  });

  it("follows an abort signal", async () => {
    const controller = new AbortController();
    const child = startChild({ argv: ["sleep", "100"], signal: controller.signal });
    controller.abort();
    expect(await child.exited).toEqual({ kind: "killed", signal: "SIGTERM" });
  });
});
