import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { plane, sweeps } from "./shared.ts";

/** Rows of a strip arrive asynchronously in a ring of lines in shared memory. */
export const asyncRows: Template = template({
  id: "async-rows",
  from: "quad-rows",
  idea: "Walk down a strip while asynchronous copies bring the next rows into a ring of lines in shared memory.",
  options: {
    compute: ["quad", "strided"],
    copy: ["words", "singles"],
    barriers: ["one", "two"],
    force: ["direct", "ring"],
    depth: [2, 1, 4],
    rows: [32, 64, 16, 128],
    block: [128, 64, 256],
    slot: ["modulo", "counter"],
    kind: ["define", "enum", "constexpr"],
    unroll: [false, true],
  },
  count: 24,
  write: ({ compute, copy, barriers, force, depth, rows, block, slot, kind, unroll }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const ring = force === "ring";
    const at = (k: string): string =>
      slot === "modulo" ? `((${k}) % SLOTS)` : `slot_of(m_slot, ${k.replace("m + ", "")})`;
    const source = `
      #include <cuda_pipeline.h>

      ${plane(sizes, kind)}
      #define BLOCK ${block}
      #define WIDE (4 * BLOCK + 8)  // a line: four cells per thread and four on either side
      #define ROWS ${rows}
      #define DEPTH ${depth}
      #define SLOTS (DEPTH + ${barriers === "one" ? 4 : 3})

      ${on(slot === "counter", "__device__ __forceinline__ int slot_of(int start, int k) {\nint slot = start + k;\nreturn slot >= SLOTS ? slot - SLOTS : slot;\n}")}

      __device__ __forceinline__ void fetch_row(float* line, const float* __restrict__ plane, int x0, int y) {
        const float* row = plane + min(max(y, 0), NY - 1) * NX;
        ${
          copy === "words"
            ? `for (int i = 4 * threadIdx.x; i < WIDE; i += 4 * BLOCK) {
          __pipeline_memcpy_async(line + i, row + min(max(x0 - 4 + i, 0), NX - 4), 16);
        }`
            : `for (int i = threadIdx.x; i < WIDE; i += BLOCK) {
          __pipeline_memcpy_async(line + i, row + min(max(x0 - 4 + i, 0), NX - 1), 4);
        }`
        }
      }

      extern "C" __global__ void stream_rows(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        __shared__ __align__(16) float lines[SLOTS][WIDE];
        ${on(ring, "__shared__ __align__(16) float pushes[SLOTS][WIDE];")}
        const int x0 = blockIdx.x * 4 * BLOCK;
        const int first = blockIdx.y * ROWS;
        for (int k = 0; k < DEPTH + 2; ++k) {
          fetch_row(lines[k], from, x0, first - 1 + k);
          ${on(ring, "fetch_row(pushes[k], force, x0, first - 1 + k);")}
          __pipeline_commit();
        }
        ${on(slot === "counter", "int m_slot = 0;")}
        ${on(unroll, "#pragma unroll 2")}
        for (int m = 0; m < ROWS; ++m) {
          if (m + 2 + DEPTH < ROWS + 2) {
            fetch_row(lines[${at("m + 2 + DEPTH")}], from, x0, first + m + 1 + DEPTH);
            ${on(ring, `fetch_row(pushes[${at("m + 2 + DEPTH")}], force, x0, first + m + 1 + DEPTH);`)}
          }
          __pipeline_commit();
          __pipeline_wait_prior(DEPTH);
          __syncthreads();
          const int y = first + m;
          const float* a = lines[${slot === "modulo" ? "m % SLOTS" : "m_slot"}] + 4;
          const float* b = lines[${at("m + 1")}] + 4;
          const float* c = lines[${at("m + 2")}] + 4;
          ${on(ring, `const float* push = pushes[${at("m + 1")}] + 4;`)}
          ${compute === "quad" ? quadCells(ring) : stridedCells(ring)}
          ${on(slot === "counter", "m_slot = slot_of(m_slot, 1);")}
          ${on(barriers === "two", "__syncthreads();")}
        }
      }
    `;
    return styled(
      { source, launches: sweeps("stream_rows", [nx / (4 * block), ny / rows], block) },
      { names: "snake", indent: 2 },
    );
  },
});

function quadCells(ring: boolean): string {
  return `
    const int t = 4 * threadIdx.x;
    const float4 n = *reinterpret_cast<const float4*>(a + t);
    const float4 s = *reinterpret_cast<const float4*>(c + t);
    float4 v = *reinterpret_cast<const float4*>(b + t);
    if (y > 0 && y < NY - 1) {
      const float4 f = ${ring ? "*reinterpret_cast<const float4*>(push + t)" : "__ldcs(reinterpret_cast<const float4*>(force + y * NX + x0 + t))"};
      const float corner_left = a[t - 1] + c[t - 1], corner_right = a[t + 4] + c[t + 4];
      const float4 ns = make_float4(n.x + s.x, n.y + s.y, n.z + s.z, n.w + s.w);
      const float4 mid = v;
      if (x0 + t > 0) v.x = 0.2f * (ns.x + b[t - 1] + mid.y) + 0.05f * (corner_left + ns.y) + f.x;
      v.y = 0.2f * (ns.y + mid.x + mid.z) + 0.05f * (ns.x + ns.z) + f.y;
      v.z = 0.2f * (ns.z + mid.y + mid.w) + 0.05f * (ns.y + ns.w) + f.z;
      if (x0 + t < NX - 4) v.w = 0.2f * (ns.w + mid.z + b[t + 4]) + 0.05f * (ns.z + corner_right) + f.w;
    }
    *reinterpret_cast<float4*>(to + y * NX + x0 + t) = v;`;
}

function stridedCells(ring: boolean): string {
  return `
    for (int j = threadIdx.x; j < 4 * BLOCK; j += BLOCK) {
      const int x = x0 + j;
      float v = b[j];
      if (x > 0 && x < NX - 1 && y > 0 && y < NY - 1) {
        v = 0.2f * (a[j] + c[j] + b[j - 1] + b[j + 1]) + 0.05f * (a[j - 1] + a[j + 1] + c[j - 1] + c[j + 1]);
        v += ${ring ? "push[j]" : "force[y * NX + x]"};
      }
      to[y * NX + x] = v;
    }`;
}
