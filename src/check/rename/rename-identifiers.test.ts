import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lexCuda } from "../../domain/index.ts";
import { renameIdentifiers, type NameTable, type Program } from "./rename-identifiers.ts";

function program(source: string, compileOptions: readonly string[] = []): Program {
  return { source, launches: [], compileOptions };
}

function renamed(source: string): string {
  return renameIdentifiers(program(source)).source;
}

describe("renaming what a program declares", () => {
  test.each([
    ["variables", "int a = 0, *b, c[2]; a = b[0] + c[1];", "int v0 = 0, *v1, v2[2]; v0 = v1[0] + v2[1];"],
    ["parameters", "void f(const float* __restrict__ x, int& n);", "void v0(const float* __restrict__ v1, int& v2);"],
    ["references to arrays", "void f(float (&acc)[4]) { acc[0]; }", "void v0(float (&v1)[4]) { v1[0]; }"],
    ["kernels with attributes", "void __launch_bounds__(64) run() {}", "void __launch_bounds__(64) v0() {}"],
    [
      "template parameters",
      "template <typename T, int N> T get(T* a);",
      "template <typename v0, int v1> v0 v2(v0* v3);",
    ],
    ["lambdas", "auto f = [&](int i) { return i; };", "auto v0 = [&](int v1) { return v1; };"],
    ["aliases", "using word = unsigned; typedef int row; word w; row r;", /using v\d = unsigned; typedef int v\d;/],
    ["enumerators", "enum { LOW, HIGH = 3 }; int x = HIGH;", /enum \{ v\d, v\d = 3 \}; int v\d = v\d;/],
    [
      "types",
      "struct Pair { float sum; }; Pair p; p.sum = 1;",
      /struct (v\d) \{ float (v\d); \}; \1 (v\d); \3\.\2 = 1;/,
    ],
    ["things of a struct", "struct { int n; } s; s.n;", /struct \{ int (v\d); \} (v\d); \2\.\1;/],
    [
      "macros",
      "#define ADD(a, b) ((a) + (b))\nint x = ADD(1, 2);",
      "#define v1(v2, v3) ((v2) + (v3))\nint v0 = v1(1, 2);",
    ],
    ["fragments", "wmma::fragment<wmma::matrix_a, 16> a; a.x[0];", "wmma::fragment<wmma::matrix_a, 16> v0; v0.x[0];"],
    ["unroll counts", "const int N = 4;\n#pragma unroll N\n", "const int v0 = 4;\n#pragma unroll v0\n"],
    ["loops", "for (int i = 0, j = 1; i < j; ++i) ;", "for (int v0 = 0, v1 = 1; v0 < v1; ++v0) ;"],
  ])("%s", (_, source, expected) => {
    if (typeof expected === "string") expect(renamed(source)).toBe(expected);
    else expect(renamed(source)).toMatch(expected);
  });

  test.each([
    ["built-ins and intrinsics", "threadIdx.x * warpSize + __shfl_xor_sync(1, 2, 3);"],
    ["products and comparisons", "x = warp * lane; f(2 * lane, a < b); return warp * lane;"],
    ["returns", "return x; goto done;"],
    ["headers", '#include <cuda_fp16.h>\n#include "mma.h"\n'],
    ["names of namespaces", "using namespace nvcuda; namespace cg = cooperative_groups; cg::sync(cg::this_grid());"],
    ["assembly and its comments", 'asm volatile("mov.u32 %0, a; // x" : "=r"(0)); /* int a */'],
    ["functions of the mathematics library that a variable hides", "float exp = expf(1.0f), max = fmaxf(exp, 2.0f);"],
    ["sources that glue names", "#define V(n) v##n\nint v1 = 0; int a = V(1);"],
  ])("%s stay", (_, source) => {
    expect(renamed(source)).toBe(source);
  });

  test("a vector's members stay where a variable has such a name, and a struct that has them keeps them", () => {
    expect(renamed("float4 v; float x = v.x;")).toBe("float4 v0; float v1 = v0.x;");
    expect(renamed("struct P { float x; }; P p; p.x = p.x; float x;")).toBe(
      "struct v0 { float x; }; v0 v1; v1.x = v1.x; float x;",
    );
  });

  test("launches and options follow, a fresh name is never one that stays", () => {
    const given: Program = {
      source: 'extern "C" __global__ void scale(float* data) { data[v0] = TILE; }',
      launches: [{ kernel: "scale", grid: [1, 1, 1], block: [1, 1, 1], smemBytes: 0, args: ["data"] }],
      compileOptions: ["-DTILE=WIDTH", "-DWIDTH=4", "--use_fast_math"],
    };
    const { source, launches, compileOptions } = renameIdentifiers(given);
    expect(source).toBe('extern "C" __global__ void v0_(float* v1) { v1[v0] = v2; }');
    expect(launches).toMatchObject([{ kernel: "v0_", args: ["data"] }]);
    expect(compileOptions).toEqual(["-Dv2=v3", "-Dv3=4", "--use_fast_math"]);
  });

  test("kernels that share a table name alike what was named alike", () => {
    const table: NameTable = new Map();
    const parent = renameIdentifiers(program("int rows, cols; rows = cols;"), table);
    const child = renameIdentifiers(program("int tile, rows, cols; rows = tile;"), table);
    expect(parent.source).toBe("int v0, v1; v0 = v1;");
    expect(child.source).toBe("int v2, v0, v1; v0 = v2;");
  });
});

test("only names change, alike everywhere, and no two become one", () => {
  const name = fc.constantFrom("a", "fast4x", "v0", "v1", "exp", "x", "tile", "Pair", "n");
  const line = fc.oneof(
    name.map((one) => `int ${one} = 0;`),
    fc.tuple(name, name).map(([one, other]) => `${one} = ${other} + threadIdx.x;`),
    fc.tuple(name, name).map(([one, other]) => `#define ${one}(${other}) (${other})\n`),
    fc.tuple(name, name).map(([one, other]) => `struct ${one} { int ${other}; };`),
    name.map((one) => `p.${one} = __ldg(&${one});`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const source = lines.join("\n");
      const [before, after] = [lexCuda(source), lexCuda(renamed(source))];
      expect(after.map(({ kind }) => kind)).toEqual(before.map(({ kind }) => kind));
      const origin = new Map<string, string>();
      before.forEach((token, place) => {
        const fresh = after[place]?.text ?? "";
        if (token.kind !== "identifier") expect(fresh).toBe(token.text);
        else expect(origin.get(fresh) ?? token.text).toBe(token.text);
        origin.set(fresh, token.text);
      });
    }),
  );
});
