import { describe, expect, it } from "vitest";
import { KernelcastError } from "../domain/index.ts";
import { runCommand } from "../testing/run-command.ts";
import { exitCodeOf, formatError } from "./app.ts";
import { routes } from "./routes.ts";

describe("the command line", () => {
  it("shows help and version on standard output", async () => {
    const help = await runCommand(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const name of Object.keys(routes)) expect(help.stdout).toContain(name);
    expect((await runCommand(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each(Object.keys(routes))("%s --help has an example or lists commands", async (name) => {
    const { code, stdout } = await runCommand([name, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Example: kernelcast|COMMANDS/);
  });

  it.each([
    [["serch"], /no command "serch"/],
    [["help"], /no command "help" \(--help lists the commands\)/],
    [["doctor", "--devise", "local"], /--devise, did you mean --device\?/],
    [["doctor", "--device", "cloud:x"], /unknown kind "cloud"/],
    [["measure"], /at least 1/],
  ])("%j is wrong use: one line, exit code 2", async (words, message) => {
    const { code, stdout, stderr } = await runCommand(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^kernelcast: [^\n]+\n$/);
  });
});

describe("errors", () => {
  it("have exit codes by kind", () => {
    const code = (kind: KernelcastError["code"]): number => exitCodeOf(new KernelcastError(kind, ""));
    expect([code("usage"), code("device"), code("interrupted")]).toEqual([2, 1, 130]);
    expect(exitCodeOf(new Error("x"))).toBe(1);
    expect(exitCodeOf(AbortSignal.abort().reason)).toBe(130);
  });

  it("are one line, and a stack only when asked for", () => {
    expect(formatError(new KernelcastError("task", "no such task"), {})).toBe("kernelcast: no such task");
    expect(formatError(new TypeError("x is undefined\nmore"), {})).toBe(
      "kernelcast: unexpected fault: x is undefined (set KERNELCAST_DEBUG=1 for the stack)",
    );
    const cause = new Error("underneath");
    const debug = formatError(new KernelcastError("task", "above", { cause }), { KERNELCAST_DEBUG: "1" });
    expect(debug).toMatch(/above\n\s+at [\s\S]*caused by: Error: underneath\n\s+at /);
  });
});
