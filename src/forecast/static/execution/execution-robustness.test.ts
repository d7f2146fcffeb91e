import { array, assert, constantFrom, integer, property, string, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Task } from "../../../domain/index.ts";
import { kernelOf, taskOf } from "../__fixtures__/small-tasks.ts";
import { executionFacts, type ExecutionFacts } from "./execution-facts.ts";

const n = 4096;
const task: Task = taskOf("double", n);

function facts(source: string): ExecutionFacts {
  return executionFacts(kernelOf(source, { grid: [16, 1, 1], block: [256, 1, 1] }, n), task);
}

function kernel(body: string): string {
  return `extern "C" __global__ void k(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    ${body}
  }`;
}

/** So many pieces, one behind the other. */
function many(count: number, piece: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => piece(index)).join("\n");
}

const endings = ["done", "steps", "endless", "waiting", "unsupported", "mistyped", "refused"];

describe("sources of every kind yield facts", () => {
  it.each([
    ["nothing", ""],
    ["no text at all", "\u0000\uffff}{)(;;'\"\\"],
    ["another language", many(300, () => "@triton.jit\ndef k(x, y, n):\n    tl.store(y, tl.load(x), mask=x < n)")],
    ["brackets never closed", "(".repeat(100_000)],
    ["braces never closed", "{".repeat(100_000)],
    ["brackets in brackets", kernel(`y[i] = ${"(".repeat(20_000)}x[i]${")".repeat(20_000)};`)],
    ["a long sum", kernel(`y[i] = x[i]${" + x[i]".repeat(14_000)};`)],
    ["a long number", kernel(`y[i] = ${"9".repeat(100_000)};`)],
    [
      "macros that double",
      `#define L0 x[i]\n${many(40, (at) => `#define L${at + 1} (L${at} + L${at})`)}\n${kernel("y[i] = L40;")}`,
    ],
    ["macros in a ring", `#define A B\n#define B A\n${kernel("y[i] = A;")}`],
    [
      "a function without an end",
      `__device__ float f(float a) { return f(a) + f(a + 1); }\n${kernel("y[i] = f(x[i]);")}`,
    ],
    ["a structure in itself", `struct S { S s; int a; };\n${kernel("S s; y[i] = s.a;")}`],
    ["types in a ring", `using A = B; using B = A;\n${kernel("A a = 1; y[i] = a;")}`],
    ["names of every object", kernel("float __proto__ = x[i]; y[i] = toString(x[i]) + constructor;")],
    ["an array of less than nothing", kernel("float a[-5]; a[0] = 1; y[i] = a[0];")],
    ["an index that is no number", kernel("float a[0]; y[i] = a[(int)(0.0f / 0.0f)];")],
  ])("%s", (_, source) => {
    const found = facts(source);
    expect(endings).toContain(found.ending);
    expect(facts(source)).toEqual(found);
  });
});

describe("memory and steps are bounded", () => {
  it.each([
    ["a huge shared array", kernel("__shared__ float s[1000000000]; s[0] = 1; y[i] = s[0];")],
    ["shared arrays without number", kernel(many(2000, (at) => `__shared__ float s${at}[50000]; s${at}[0] = 1;`))],
  ])("refuses %s", (_, source) => {
    expect(facts(source)).toMatchObject({ refused: true });
  });

  it.each([
    ["a huge array", kernel("float a[1000000000]; a[0] = 1; y[i] = a[i];")],
    ["arrays without number", kernel(many(3000, (at) => `float a${at}[50000]; a${at}[0] = 1;`))],
    ["a huge array in a structure", `struct S { int a[100000000]; };\n${kernel("S s; S t = s; y[i] = t.a[0];")}`],
    ["a huge array of the device", `__device__ float d[1000000000];\n${kernel("y[i] = d[i];")}`],
  ])("does not follow %s", (_, source) => {
    expect(facts(source)).toMatchObject({ ending: "unsupported", mistyped: false });
  });

  it.each([
    ["long loops in loops", "for (;;) for (int j = 0; j < 2000000000; j++) y[i] += j;"],
    ["a long empty loop", "for (long j = 0; j < 100000000000L; j++); y[i] = x[i];"],
  ])("stops %s", (_, body) => {
    expect(facts(kernel(body)).ending).toBe("steps");
  });
});

describe("whatever is changed in a source", () => {
  const words = kernel(`__shared__ float tile[256];
    float sum = 0.0f;
    for (int j = 0; j < 8; ++j) { sum += x[(i + j) % n] * 0.5f; if (sum > 3.0f) continue; }
    tile[threadIdx.x] = sum; __syncthreads();
    y[i] = i < n ? 2.0f * x[i] + 0.0f * tile[255 - threadIdx.x] : 0.0f;`).split(/(?<=[^\w.])|(?=[^\w.])/);
  const change = tuple(
    integer({ min: 0, max: words.length - 1 }),
    integer({ min: 0, max: 4 }),
    constantFrom(
      "",
      "(",
      "}",
      "*",
      "&",
      "float4",
      "-1",
      "1e9",
      "0",
      "x",
      "y",
      "->",
      "[",
      "for",
      "__shared__",
      "%",
      "<<",
    ),
  );

  it("there are facts, the same each time", () => {
    assert(
      property(array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const changed = [...words];
        for (const [at, removed, added] of changes) changed.splice(at, removed, added);
        const found = facts(changed.join(""));
        expect(endings).toContain(found.ending);
        expect(facts(changed.join(""))).toEqual(found);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it("text without sense has no kernel to run", () => {
    assert(
      property(string({ unit: "binary", maxLength: 400 }), (text) => {
        expect(["refused", "unsupported"]).toContain(facts(text).ending);
      }),
      { numRuns: 200, seed: 2 },
    );
  });
});
