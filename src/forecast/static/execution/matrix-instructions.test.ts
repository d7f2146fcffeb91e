import { describe, expect, it } from "vitest";
import type { Task } from "../../../domain/index.ts";
import { kernelOf, taskOf } from "../__fixtures__/small-tasks.ts";
import { executionFacts } from "./execution-facts.ts";

const header = "#include <mma.h>\n#include <cuda_fp16.h>\nusing namespace nvcuda;\n";
const warp = { grid: [1, 1, 1], block: [32, 1, 1] } as const;

/** y (16 × `columns`) = x's first 16 × 16 halves times its next 16 × `columns`. */
function product(columns: number): Task {
  const task = taskOf("product", 512);
  const draw = { normal: { mean: 0, std: 1 } } as const;
  const [x, y] = task.workload.args as [Task["workload"]["args"][number], Task["workload"]["args"][number]];
  const seed = `${header}extern "C" __global__ void k(const half* x, float* y, int n) {
    int row = threadIdx.x / ${columns}, column = threadIdx.x % ${columns};
    float sum = 0.0f;
    for (int i = 0; i < 16; ++i) sum += __half2float(x[row * 16 + i]) * __half2float(x[256 + i * ${columns} + column]);
    y[threadIdx.x] = sum;
  }`;
  return {
    ...task,
    workload: {
      ...task.workload,
      args: [
        { ...x, dtype: "f16", draw },
        { ...y, shape: [16 * columns] },
      ],
    },
    tolerance: { type: "allclose", rtol: 1e-5, atol: 1e-5 },
    seedKernel: kernelOf(seed, { grid: [1, 1, 1], block: [16 * columns, 1, 1] }, 512),
  };
}

function differing(body: string, columns: number): { readonly share: number; readonly reason: string } {
  const source = `${header}extern "C" __global__ void k(const half* x, float* y, int n) { ${body} }`;
  const found = executionFacts(kernelOf(source, warp, 512), product(columns));
  expect(found.compared).toBeGreaterThan(50);
  return { share: found.differing / found.compared, reason: found.reason };
}

describe("matrix fragments", () => {
  const body = (layout: string, store: string) => `
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::${layout}> b;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
    wmma::fill_fragment(c, 0.0f);
    wmma::load_matrix_sync(a, x, 16);
    wmma::load_matrix_sync(b, x + 256, 16);
    wmma::mma_sync(c, a, b, c);
    ${store}
    wmma::store_matrix_sync(y, c, 16, wmma::mem_row_major);`;

  it("multiply", () => {
    expect(differing(body("row_major", ""), 16)).toEqual({ share: 0, reason: "" });
  });

  it("show a layout taken for another, and elements changed", () => {
    expect(differing(body("col_major", ""), 16).share).toBeGreaterThan(0.8);
    expect(differing(body("row_major", "for (int i = 0; i < c.num_elements; ++i) c.x[i] *= 2.0f;"), 16).share).toBe(1);
  });
});

describe("matrix instructions", () => {
  const body = (second: string, load: string) => `
    __shared__ half tile[16 * 16 + 16 * 8];
    for (int i = threadIdx.x; i < 384; i += 32) tile[i] = x[i];
    __syncthreads();
    int lane = threadIdx.x;
    unsigned a[4], b[2];
    float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    unsigned from = (unsigned)__cvta_generic_to_shared(tile + (lane % 16) * 16 + lane / 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(from));
    unsigned other = (unsigned)__cvta_generic_to_shared(tile + 256 + (lane % 16) * 8);
    asm volatile("${load} {%0, %1}, [%2];" : "=r"(b[0]), "=r"(b[1]) : "r"(other));
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    int row = lane / 4, column = lane % 4 * 2;
    y[row * 8 + column] = c[0];
    y[row * 8 + column + 1] = c[1];
    y[(row + 8) * 8 + column] = ${second};
    y[(row + 8) * 8 + column + 1] = c[3];`;
  const turned = "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16";

  it("multiply what they have loaded", () => {
    expect(differing(body("c[2]", turned), 8)).toEqual({ share: 0, reason: "" });
  });

  it("show a register taken for another, and a matrix not turned", () => {
    expect(differing(body("c[1]", turned), 8).share).toBe(0.25);
    expect(differing(body("c[2]", turned.replace(".trans", "")), 8).share).toBeGreaterThan(0.8);
  });
});
