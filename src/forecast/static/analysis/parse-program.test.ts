import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Program, Statement } from "./ast.ts";
import { parseProgram } from "./parse-program.ts";
import { preprocess } from "./preprocess.ts";

function parse(source: string): Program {
  return parseProgram(preprocess(source, []));
}

function body(statements: string): readonly Statement[] {
  const program = parse(`__device__ void f(int n, float* p) { ${statements} }`);
  expect(program.skipped).toBe(0);
  const block = program.functions.get("f")?.body;
  return block?.kind === "block" ? block.body : [];
}

describe("parseProgram", () => {
  test("functions, parameters, templates, globals, structures, aliases", () => {
    const program = parse(`
      #include <cuda_fp16.h>
      constexpr int M = 16, N = M * 2;
      __constant__ float table[M];
      struct __align__(8) Pair { float value; int index; __device__ int at() const { return index; } };
      using half_t = __half;
      typedef unsigned long long u64;
      enum Mode { A = 2, B };
      namespace detail { template <int W, typename T = float> __device__ T sum(T v) { return v; } }
      extern "C" {
      __global__ void __launch_bounds__(256, 2) k(const float* __restrict__ x, float (&y)[4], Pair p, unsigned n) {}
      }
    `);
    expect(program.skipped).toBe(0);
    expect([...program.functions.keys()]).toEqual(["at", "sum", "k"]);
    expect(program.functions.get("sum")?.templateParameters).toEqual(["W", "T"]);
    expect(program.functions.get("k")?.parameters.map(({ name, type }) => [name, type.name, type.pointers])).toEqual([
      ["x", "float", 1],
      ["y", "float", 1],
      ["p", "Pair", 0],
      ["n", "int", 0],
    ]);
    expect(program.structures.get("Pair")).toBe(8);
    expect([...program.aliases.keys()]).toEqual(["half_t", "u64"]);
    expect(program.globals.flatMap(({ declarators }) => declarators.map(({ name }) => name))).toEqual([
      "M",
      "N",
      "table",
      "A",
      "B",
    ]);
  });

  test("casts are told from parentheses", () => {
    const [cast, sum, vector, pointer] = body("x = (float)n; x = (n) + 1; x = *(float4*)&p[n]; q = (n * 2);");
    expect(cast).toMatchObject({ expression: { value: { kind: "cast", type: { name: "float" } } } });
    expect(sum).toMatchObject({ expression: { value: { kind: "binary", operator: "+" } } });
    expect(vector).toMatchObject({
      expression: { value: { kind: "unary", operand: { kind: "cast", type: { pointers: 1 } } } },
    });
    expect(pointer).toMatchObject({ expression: { value: { kind: "binary", operator: "*" } } });
  });

  test("template calls are told from comparisons", () => {
    const [call, comparison] = body("f<16, true>(n); b = n < 4 && n > (2);");
    expect(call).toMatchObject({ expression: { kind: "call", templateArguments: [{ value: 16 }, {}] } });
    expect(comparison).toMatchObject({ expression: { value: { operator: "&&" } } });
  });

  test("precedence", () => {
    const [statement] = body("y = 1 + n * 2 << 3 & 7 == n;");
    expect(statement).toMatchObject({
      expression: {
        value: { operator: "&", left: { operator: "<<", left: { operator: "+" } }, right: { operator: "==" } },
      },
    });
  });

  test("control flow, pragmas and assembly", () => {
    const statements = body(`
      #pragma unroll 4
      for (int i = 0, j = n; i < n; i += 2, --j) if (i) continue; else break;
      while (n) { n >>= 1; }
      do n--; while (n > 0);
      switch (n) { case 1: n = 2; break; default: ; }
      asm volatile("mma.sync.aligned.m16n8k8 {%0}, %1;" : "+f"(p[0]), "=r"(n) : "l"(p + 1) : "memory");
      auto g = [&](int a) { return a + 1; };
      float (*rows)[33] = reinterpret_cast<float (*)[33]>(p);
      return;`);
    expect(statements.map(({ kind }) => kind)).toEqual([
      "loop",
      "loop",
      "loop",
      "switch",
      "assembly",
      "declaration",
      "declaration",
      "return",
    ]);
    expect(statements[0]).toMatchObject({ unroll: 4 });
    expect(statements[4]).toMatchObject({ text: "mma.sync.aligned.m16n8k8 {%0}, %1;", operands: [{}, {}, {}] });
    expect(statements[6]).toMatchObject({
      declaration: { declarators: [{ name: "rows", type: { rows: [{ value: 33 }] } }] },
    });
  });

  test("what is not understood is skipped, and the rest is read", () => {
    const program = parse(`
      @@@ garbage ((;
      extern "C" __global__ void k(float* x) { x[0] = 1.0f; for (auto v : list) {} ]] = 3; x[1] = 2.0f; }
    `);
    expect(program.skipped).toBeGreaterThan(0);
    const block = program.functions.get("k")?.body;
    expect(block).toMatchObject({ kind: "block" });
  });

  test("never fails and always ends, whatever the source", () => {
    const word = fc.constantFrom(
      ..."( ) { } [ ] < > ; , * & = + - ? : :: . -> # int float4 x f template struct for if while do return asm sizeof const __shared__ 1 2.0f \"s\" 'c' \n".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        expect(parse(`void k(float* p) { ${words.join(" ")} }`).skipped).toBeGreaterThanOrEqual(0);
        expect(parse(words.join(" ")).skipped).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1500 },
    );
  });
});
