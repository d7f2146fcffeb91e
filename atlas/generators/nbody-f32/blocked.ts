import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { pull, storeAcc, sumParts, unrolled, weights } from "./parts.ts";

/** Tiles in shared memory and several bodies per thread. */
export const registerBlocks: Template = template({
  id: "register-blocks",
  from: "shared-tiles",
  idea: "Hold several bodies per thread, so that each body of the tile is read once for several sums.",
  options: {
    bodies: [2, 4, 8, 1],
    weight: weights,
    fma: [false, true],
    tile: ["vectors", "quads"],
    spread: [true, false],
    unroll: ["none", "4", "8", "2"],
    split: [4, 1, 8, 16],
    finish: ["sum", "atomic"],
    length: [128, 256, 512],
    block: [128, 64, 256],
  },
  valid: ({ bodies, block, split, length, finish }) =>
    bodies * block <= 1024 && split * length <= 4096 && (finish === "sum" || split > 1),
  count: 34,
  write: ({ bodies, weight, fma, tile, spread, unroll, split, finish, length, block }, { n = 0 }) => {
    const quads = tile === "quads";
    const place = (k: number): string => (spread ? `i + ${k * block}` : `i + ${k}`);
    const step = (other: (part: string) => string): string =>
      repeat(bodies, (k) => pull({ weight, fma, other, me: (part) => `p${k}.${part}`, sum: (part) => `a${k}${part}` }));
    const walk = quads
      ? `for (int j = 0; j < LENGTH / 4; ++j) {
            // Four bodies at once, coordinate by coordinate.
            const float4 xs = tile_x[j], ys = tile_y[j], zs = tile_z[j], ms = tile_m[j];
            ${["x", "y", "z", "w"].map((lane) => step((part) => `${part === "w" ? "m" : part}s.${lane}`)).join("\n")}
          }`
      : `for (int j = 0; j < LENGTH; ++j) {
            const float4 b = tile[j];
            ${step((part) => `b.${part}`)}
          }`;
    const fill = quads
      ? `for (int t = threadIdx.x; t < LENGTH; t += BLOCK) {
            const float4 b = bodies[base + t];
            reinterpret_cast<float*>(tile_x)[t] = b.x;
            reinterpret_cast<float*>(tile_y)[t] = b.y;
            reinterpret_cast<float*>(tile_z)[t] = b.z;
            reinterpret_cast<float*>(tile_m)[t] = b.w;
          }`
      : "for (int t = threadIdx.x; t < LENGTH; t += BLOCK) tile[t] = bodies[base + t];";
    const atomic = finish === "atomic";
    const target = split > 1 && !atomic ? "(out + (size_t)blockIdx.y * 3 * N)" : "out";
    const store = (k: number): string =>
      atomic
        ? ["x", "y", "z"].map((part, c) => `atomicAdd(out + 3 * (${place(k)}) + ${c}, a${k}${part});`).join("\n")
        : storeAcc(target, place(k), (part) => `a${k}${part}`);
    const source = `
      #define N ${n}
      #define BLOCK ${block}
      #define LENGTH ${length}
      #define SPLIT ${split}
      #define EPS2 0.01f

      ${on(atomic, `extern "C" __global__ void clear_acc(float* acc) {\nacc[blockIdx.x * 256 + threadIdx.x] = 0.0f;\n}\n`)}
      extern "C" __global__ void blocked_forces(const float4* __restrict__ bodies, float* __restrict__ out)
      {
        ${quads ? "__shared__ float4 tile_x[LENGTH / 4], tile_y[LENGTH / 4], tile_z[LENGTH / 4], tile_m[LENGTH / 4];" : "__shared__ float4 tile[LENGTH];"}
        const int i = blockIdx.x * BLOCK * ${bodies} + threadIdx.x${on(!spread, ` * ${bodies}`)};
        ${repeat(bodies, (k) => `const float4 p${k} = bodies[${place(k)}];\nfloat a${k}x = 0.0f, a${k}y = 0.0f, a${k}z = 0.0f;`)}
        for (int base = blockIdx.y * (N / SPLIT); base < (blockIdx.y + 1) * (N / SPLIT); base += LENGTH)
        {
          ${fill}
          __syncthreads();
          ${unrolled(unroll)}
          ${walk}
          __syncthreads();
        }
        ${repeat(bodies, store)}
      }
      ${on(split > 1 && !atomic, sumParts("sum_parts", "SPLIT", "3 * N", "(size_t)p * 3 * N + e", false))}
    `;
    const direct = split === 1 || atomic;
    const main = launch("blocked_forces", [n / block / bodies, split], block, ["bodies", direct ? "acc" : "parts"]);
    const launches = [
      ...(atomic ? [launch("clear_acc", (3 * n) / 256, 256, ["acc"])] : []),
      main,
      ...(direct ? [] : [launch("sum_parts", (3 * n) / 256, 256, ["parts", "acc"])]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Adds up the sums of body k over the rows of threads. */
function collecting(collect: "row-zero" | "tree" | "atomic", k: number): string {
  return {
    "row-zero": `sums[threadIdx.y][threadIdx.x] = a${k};
        __syncthreads();
        if (threadIdx.y == 0) {
          for (int r = 1; r < ROWS; ++r) {
            a${k}.x += sums[r][threadIdx.x].x;
            a${k}.y += sums[r][threadIdx.x].y;
            a${k}.z += sums[r][threadIdx.x].z;
          }
          ${storeAcc("acc", `i + ${k} * COLUMNS`, (part) => `a${k}.${part}`)}
        }
        __syncthreads();`,
    tree: `sums[threadIdx.y][threadIdx.x] = a${k};
        __syncthreads();
        for (int half = ROWS / 2; half > 0; half /= 2) {
          if (threadIdx.y < half) {
            sums[threadIdx.y][threadIdx.x].x += sums[threadIdx.y + half][threadIdx.x].x;
            sums[threadIdx.y][threadIdx.x].y += sums[threadIdx.y + half][threadIdx.x].y;
            sums[threadIdx.y][threadIdx.x].z += sums[threadIdx.y + half][threadIdx.x].z;
          }
          __syncthreads();
        }
        if (threadIdx.y < 3) {
          // Rows of threads write one coordinate each.
          for (int c = threadIdx.y; c < 3; c += ROWS < 3 ? ROWS : 3) acc[3 * (i + ${k} * COLUMNS) + c] = c == 0 ? sums[0][threadIdx.x].x : c == 1 ? sums[0][threadIdx.x].y : sums[0][threadIdx.x].z;
        }
        __syncthreads();`,
    atomic: `if (threadIdx.y == 0) sums[0][threadIdx.x] = make_float3(0.0f, 0.0f, 0.0f);
        __syncthreads();
        atomicAdd(&sums[0][threadIdx.x].x, a${k}.x);
        atomicAdd(&sums[0][threadIdx.x].y, a${k}.y);
        atomicAdd(&sums[0][threadIdx.x].z, a${k}.z);
        __syncthreads();
        if (threadIdx.y == 0) {
          ${storeAcc("acc", `i + ${k} * COLUMNS`, (part) => `sums[0][threadIdx.x].${part}`)}
        }
        __syncthreads();`,
  }[collect];
}

/** The sum of each body split over the rows of a block. */
export const blockSplit: Template = template({
  id: "block-split",
  from: "shared-tiles",
  idea: "Split each body's sum over several rows of threads in the block and add the parts up in shared memory.",
  options: {
    rows: [4, 2, 8, 16],
    weight: weights,
    share: ["own-tile", "interleaved", "no-tile"],
    collect: ["row-zero", "tree", "atomic"],
    fma: [false, true],
    unroll: ["none", "4", "8"],
    bodies: [1, 2],
    columns: [64, 32, 128],
  },
  valid: ({ rows, columns }) => rows * columns <= 1024,
  count: 26,
  write: ({ rows, weight, share, collect, fma, unroll, bodies, columns }, { n = 0 }) => {
    const step = repeat(bodies, (k) =>
      pull({
        weight,
        fma,
        other: (part) => `b.${part}`,
        me: (part) => `me${k}.${part}`,
        sum: (part) => `a${k}.${part}`,
      }),
    );
    const shares = {
      "own-tile": `for (int base = threadIdx.y * (N / ROWS); base < (threadIdx.y + 1) * (N / ROWS); base += COLUMNS) {
          tile[threadIdx.y][threadIdx.x] = bodies[base + threadIdx.x];
          __syncthreads();
          ${unrolled(unroll)}
          for (int j = 0; j < COLUMNS; ++j) {
            float4 b = tile[threadIdx.y][j];
            ${step}
          }
          __syncthreads();
        }`,
      interleaved: `for (int base = 0; base < N; base += ROWS * COLUMNS) {
          tile[threadIdx.y][threadIdx.x] = bodies[base + threadIdx.y * COLUMNS + threadIdx.x];
          __syncthreads();
          ${unrolled(unroll)}
          for (int j = threadIdx.y; j < ROWS * COLUMNS; j += ROWS) {
            float4 b = tile[j / COLUMNS][j % COLUMNS];
            ${step}
          }
          __syncthreads();
        }`,
      "no-tile": `${unrolled(unroll)}
        for (int j = threadIdx.y; j < N; j += ROWS) {
          float4 b = __ldg(bodies + j);
          ${step}
        }`,
    }[share];
    const source = `
      constexpr int N = ${n};
      constexpr int ROWS = ${rows};
      constexpr int COLUMNS = ${columns};
      constexpr float EPS2 = 0.01f;

      extern "C" __global__ void split_sums(const float4* __restrict__ bodies, float* __restrict__ acc) {
        ${on(share !== "no-tile", "__shared__ float4 tile[ROWS][COLUMNS];")}
        __shared__ float3 sums[ROWS][COLUMNS];
        const int i = blockIdx.x * COLUMNS * ${bodies} + threadIdx.x;
        ${repeat(bodies, (k) => `float4 me${k} = bodies[i + ${k} * COLUMNS];\nfloat3 a${k} = make_float3(0.0f, 0.0f, 0.0f);`)}
        ${shares}
        ${repeat(bodies, (k) => collecting(collect, k))}
      }
    `;
    const draft = {
      source,
      launches: [launch("split_sums", n / columns / bodies, [columns, rows], ["bodies", "acc"])],
    };
    return styled(draft, { names: "camel", indent: 4 });
  },
});
