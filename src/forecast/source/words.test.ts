import { describe, expect, it } from "vitest";
import type { Kernel } from "../../domain/index.ts";
import { syntheticTask } from "../../testing/synthetic.ts";
import { kernelWords } from "./words.ts";

const task = syntheticTask();

function textOf(source: string, compileOptions: readonly string[] = []): string {
  const launches: Kernel["launches"] = [
    { kernel: "f", grid: [4, 1, 1], block: [64, 1, 1], smemBytes: 0, args: [task.workload.args[0]!.name, { i32: 7 }] },
  ];
  return kernelWords({ kernelId: "", source, launches, compileOptions }, task)
    .map(({ text }) => text)
    .join(" ");
}

describe("the words of a kernel", () => {
  it("hold launches by their numbers and buffers by their place, not their name", () => {
    expect(textOf("")).toContain("<launch> f 4 1 1 64 1 1 0 <buffer 0> 7 <source>");
    expect(textOf("")).toContain("<exact> <f32> <buffer 0> <out> <f32> 1024 <launch>");
  });

  it("are without comments, also those in assembly, and with macros in place", () => {
    const text = textOf('#define N 32 // the best\nint x = N; /* slow */ asm("mov.u32 %0, 1; // fastest");');
    expect(text).toContain("int x = 32 ;");
    expect(text).toContain("mov . u32 % 0 , 1 ;");
    expect(text).not.toMatch(/best|slow|fastest/);
  });

  it("take constants of the compile options", () => {
    expect(textOf("int a[TILE];", ["-DTILE=48"])).toContain("int a [ 48 ] ;");
  });

  it("keep how far loops are unrolled", () => {
    expect(textOf("#define K 4\n#pragma unroll K\nfor(;;);")).toContain("#unroll 4 for");
  });
});
