import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  argumentsOf,
  constantsOf,
  launch3,
  numbers,
  packKernel,
  packLaunches,
  parameters,
  stageWeights,
  volumeOf,
  weightAt,
} from "./base.ts";

/** Fills the box of `count` channels and waits for it. */
function fillBox(async: boolean, count: string, channel: string): string {
  const put = async
    ? "__pipeline_memcpy_async(&box[i / CELLS * BOX + at], within ? &x[((c * D + zz) * H + yy) * W + xx] : x, 4, within ? 0 : 4);"
    : "box[i / CELLS * BOX + at] = within ? x[((c * D + zz) * H + yy) * W + xx] : 0.0f;";
  return `
    for (int i = thread; i < ${count} * CELLS; i += THREADS) {
      const int c = ${channel};
      const int r = i % CELLS;
      const int at = r / (BX + 2) * PITCH + r % (BX + 2);
      const int zz = z0 + r / ((BX + 2) * (BY + 2)) - 1;
      const int yy = y0 + r / (BX + 2) % (BY + 2) - 1;
      const int xx = x0 + r % (BX + 2) - 1;
      const bool within = zz >= 0 && zz < D && yy >= 0 && yy < H && xx >= 0 && xx < W;
      ${put}
    }
    ${on(async, "__pipeline_commit();\n__pipeline_wait_prior(0);")}
    __syncthreads();`;
}

/** A box of the volume with its halo in shared memory. */
export const boxTile: Template = template({
  id: "box-tile",
  from: "filter-group",
  idea: "Stage a box with its halo, one channel or all channels at a time, and compute a column of voxels per thread.",
  options: {
    stage: ["channel", "all-channels"],
    copy: ["plain", "async"],
    reuse: ["column", "voxel"],
    weights: ["shared", "packed", "ldg"],
    pad: ["none", "odd"],
    bounds: [false, true],
    macros: [true, false],
    group: [8, 4, 2],
    // columns, rows and depth
    box: ["32x8x4", "32x4x8", "64x4x4", "32x8x2", "16x16x4"],
  },
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cin, cout, d, h, w } = volume;
    const [bx, by, bz] = numbers(o.box);
    const all = o.stage === "all-channels";
    const pitch = bx + 2 + (o.pad === "odd" ? 1 : 0);
    const fill = (count: string, channel: string): string => fillBox(o.copy === "async", count, channel);
    const at = (depth: string): string =>
      `box[${all ? "c" : "0"} * BOX + ((${depth}) * (BY + 2) + threadIdx.y + k / 3) * PITCH + threadIdx.x + k % 3]`;
    const compute =
      o.reuse === "column"
        ? `
          #pragma unroll
          for (int k = 0; k < 9; ++k) {
            float v[BZ + 2];
            #pragma unroll
            for (int s = 0; s < BZ + 2; ++s) v[s] = ${at("s")};
            #pragma unroll
            for (int a = 0; a < 3; ++a)
              #pragma unroll
              for (int f = 0; f < GROUP; ++f) {
                const float weight_of = ${weightAt(o.weights, "f0 + f", "c", "(a * 9 + k)")};
                #pragma unroll
                for (int s = 0; s < BZ; ++s) sum[s][f] += weight_of * v[s + a];
              }
          }`
        : `
          #pragma unroll
          for (int s = 0; s < BZ; ++s)
            #pragma unroll
            for (int a = 0; a < 3; ++a)
              #pragma unroll
              for (int k = 0; k < 9; ++k) {
                const float v = ${at("s + a")};
                #pragma unroll
                for (int f = 0; f < GROUP; ++f) sum[s][f] += ${weightAt(o.weights, "f0 + f", "c", "(a * 9 + k)")} * v;
              }`;
    const loop = all
      ? `${fill("CIN", "i / CELLS")}\n#pragma unroll 1\nfor (int c = 0; c < CIN; ++c) {\n${compute}\n}`
      : `#pragma unroll 1\nfor (int channel = 0; channel < CIN; ++channel) {\n${fill("1", "channel")}\n{\nconst int c = channel;\n${compute}\n}\n__syncthreads();\n}`;
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${constantsOf(volume, o.macros)}
      #define GROUP ${o.group}
      #define BX ${bx}
      #define BY ${by}
      #define BZ ${bz}
      #define PITCH ${pitch}
      #define CELLS ((BX + 2) * (BY + 2) * (BZ + 2))
      #define BOX (PITCH * (BY + 2) * (BZ + 2))
      #define THREADS (BX * BY)
      ${packKernel(o.weights)}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}convolve(${parameters(o.weights, true)}) {
        extern __shared__ __align__(16) float box[];
        const int thread = threadIdx.y * BX + threadIdx.x;
        ${stageWeights(o.weights, "thread", "THREADS")}
        const int x0 = blockIdx.x * BX;
        const int y0 = blockIdx.y * BY;
        const int z0 = blockIdx.z % ((D + BZ - 1) / BZ) * BZ;
        const int f0 = blockIdx.z / ((D + BZ - 1) / BZ) * GROUP;
        float sum[BZ][GROUP] = {};
        ${loop}
        #pragma unroll
        for (int s = 0; s < BZ; ++s)
          #pragma unroll
          for (int f = 0; f < GROUP; ++f) out[(((f0 + f) * D + z0 + s) * H + y0 + threadIdx.y) * W + x0 + threadIdx.x] = sum[s][f];
      }
    `;
    const bytes = 4 * pitch * (by + 2) * (bz + 2) * (all ? cin : 1);
    const grid = [Math.ceil(w / bx), Math.ceil(h / by), Math.ceil(d / bz) * (cout / o.group)] as const;
    const main = launch3("convolve", grid, [bx, by], argumentsOf(o.weights), bytes);
    return styled({ source, launches: [...packLaunches(o.weights, volume), main] }, { names: "snake", indent: 2 });
  },
});

const write = (value: string, f: string): string => `out[(((f0 + ${f}) * D + z) * H + y) * W + col] = ${value};`;

/** How the warps of the channels add up their sums. */
const combineChannels = (firstWarp: boolean) => ({
  "store-and-sum": `
    #pragma unroll
    for (int f = 0; f < GROUP; ++f) parts[c][row][f][lane] = sum[f];
    __syncthreads();
    ${
      firstWarp
        ? `if (c == 0) {
            for (int f = 0; f < GROUP; ++f) {
              float total = 0.0f;
              for (int k = 0; k < CIN; ++k) total += parts[k][row][f][lane];
              ${write("total", "f")}
            }
          }`
        : `for (int f = c; f < GROUP; f += CIN) {
            float total = parts[0][row][f][lane];
            #pragma unroll
            for (int k = 1; k < CIN; ++k) total += parts[k][row][f][lane];
            ${write("total", "f")}
          }`
    }`,
  "shared-atomics": `
    if (c == 0) {
      for (int f = 0; f < GROUP; ++f) parts[0][row][f][lane] = 0.0f;
    }
    __syncthreads();
    for (int f = 0; f < GROUP; ++f) atomicAdd(&parts[0][row][f][lane], sum[f]);
    __syncthreads();
    if (c == 0) {
      for (int f = 0; f < GROUP; ++f) ${write("parts[0][row][f][lane]", "f")}
    }`,
  turns: `
    for (int turn = 0; turn < CIN; ++turn) {
      if (turn == c) {
        for (int f = 0; f < GROUP; ++f) parts[0][row][f][lane] = turn == 0 ? sum[f] : parts[0][row][f][lane] + sum[f];
      }
      __syncthreads();
    }
    if (c == 0) {
      for (int f = 0; f < GROUP; ++f) ${write("parts[0][row][f][lane]", "f")}
    }`,
});

/** The channels of a voxel on different warps, added up in shared memory. */
export const channelSplit: Template = template({
  id: "channel-split",
  from: "filter-group",
  idea: "Give each channel to a warp of its own and add the partial sums of the channels in shared memory.",
  options: {
    combine: ["store-and-sum", "shared-atomics", "turns"],
    weights: ["ldg", "packed", "shared"],
    fetch: ["select", "branch"],
    unroll: ["taps", "none", "some"],
    tail: ["first-warp", "all-warps"],
    macros: [false, true],
    group: [8, 4, 2],
    rows: [1, 2, 4],
  },
  valid: ({ combine, tail }) => combine === "store-and-sum" || tail === "first-warp",
  count: 23,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cin, cout, d, h, w } = volume;
    const hint = { none: "#pragma unroll 1", taps: "#pragma unroll", some: "#pragma unroll 9" }[o.unroll];
    const place = "x[((c * D + zz) * H + yy) * W + xx]";
    const within = "zz >= 0 && zz < D && yy >= 0 && yy < H && xx >= 0 && xx < W";
    const add = (v: string): string => `
      #pragma unroll
      for (int f = 0; f < GROUP; ++f) sum[f] = fmaf(${v}, ${weightAt(o.weights, "f0 + f", "c", "t")}, sum[f]);`;
    const body =
      o.fetch === "select"
        ? `const float v = ${within} ? ${place} : 0.0f;\n${add("v")}`
        : `if (${within}) {\nconst float v = ${place};\n${add("v")}\n}`;
    const source = `
      ${constantsOf(volume, o.macros)}
      #define GROUP ${o.group}
      #define ROWS ${o.rows}
      ${packKernel(o.weights)}
      extern "C" __global__ void convolve(${parameters(o.weights, true)}) {
        __shared__ float parts[${o.combine === "store-and-sum" ? "CIN" : "1"}][ROWS][GROUP][32];
        ${stageWeights(o.weights, "threadIdx.y * 32 + threadIdx.x", "32 * blockDim.y")}
        const int lane = threadIdx.x;
        const int c = threadIdx.y % CIN;
        const int row = threadIdx.y / CIN;
        const int col = blockIdx.x * 32 + lane;
        const int y = blockIdx.y * ROWS + row;
        const int z = blockIdx.z % D;
        const int f0 = blockIdx.z / D * GROUP;
        float sum[GROUP] = {};
        ${hint}
        for (int t = 0; t < 27; ++t) {
          const int zz = z + t / 9 - 1;
          const int yy = y + t / 3 % 3 - 1;
          const int xx = col + t % 3 - 1;
          ${body}
        }
        ${combineChannels(o.tail === "first-warp")[o.combine]}
      }
    `;
    const grid = [w / 32, Math.ceil(h / o.rows), d * (cout / o.group)] as const;
    const main = launch3("convolve", grid, [32, cin * o.rows], argumentsOf(o.weights));
    return styled({ source, launches: [...packLaunches(o.weights, volume), main] }, { names: "camel", indent: 4 });
  },
});

/** A launch per channel, per plane of taps or per both, adding into the output. */
export const partLaunches: Template = template({
  id: "part-launches",
  from: "filter-group",
  idea: "Split the sum over launches that each add one channel or one plane of taps to the output.",
  options: {
    part: ["channel", "plane", "both"],
    start: ["first-writes", "clear"],
    filters: ["loop", "grid"],
    atomic: [false, true],
    guard: ["select", "branch"],
    restrict: [true, false],
    macros: [true, false],
    threads: [256, 128, 512],
  },
  valid: ({ atomic, start }) => !atomic || start === "clear",
  count: 23,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cin, cout, d, h, w } = volume;
    const group = o.filters === "loop" ? cout : 1;
    const range = {
      channel: { channels: "for (int c = pass; c <= pass; ++c)", taps: "int t = 0; t < 27", passes: cin },
      plane: { channels: "for (int c = 0; c < CIN; ++c)", taps: "int t = pass * 9; t < pass * 9 + 9", passes: 3 },
      both: {
        channels: "for (int c = pass / 3; c <= pass / 3; ++c)",
        taps: "int t = pass % 3 * 9; t < pass % 3 * 9 + 9",
        passes: 3 * cin,
      },
    }[o.part];
    const within = "zz >= 0 && zz < D && yy >= 0 && yy < H && xx >= 0 && xx < W";
    const add = `
      #pragma unroll
      for (int f = 0; f < GROUP; ++f) sum[f] += v * weight[((f0 + f) * CIN + c) * 27 + t];`;
    const place = "x[((c * D + zz) * H + yy) * W + xx]";
    const finish = o.atomic
      ? "atomicAdd(to, sum[f]);"
      : o.start === "clear"
        ? "*to += sum[f];"
        : "*to = pass == 0 ? sum[f] : *to + sum[f];";
    const source = `
      ${constantsOf(volume, o.macros)}
      #define GROUP ${group}
      ${on(
        o.start === "clear",
        `
        extern "C" __global__ void clear_sums(float4* out, int count) {
          const int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i < count) out[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
        `,
      )}
      extern "C" __global__ void add_part(${parameters("given", o.restrict)}, int pass) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= D * H * W) return;
        const int f0 = blockIdx.y * GROUP;
        const int col = i % W;
        const int y = i / W % H;
        const int z = i / (W * H);
        float sum[GROUP] = {};
        ${range.channels} {
          #pragma unroll 3
          for (${range.taps}; ++t) {
            const int zz = z + t / 9 - 1;
            const int yy = y + t / 3 % 3 - 1;
            const int xx = col + t % 3 - 1;
            ${
              o.guard === "select"
                ? `const float v = ${within} ? ${place} : 0.0f;\n${add}`
                : `if (${within}) {\nconst float v = ${place};\n${add}\n}`
            }
          }
        }
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) {
          float* to = out + (f0 + f) * D * H * W + i;
          ${finish}
        }
      }
    `;
    const voxels = d * h * w;
    const launches = Array.from({ length: range.passes }, (_, pass) =>
      launch("add_part", [Math.ceil(voxels / o.threads), cout / group], o.threads, [
        "x",
        "weight",
        "out",
        { i32: pass },
      ]),
    );
    const count = (cout * voxels) / 4;
    if (o.start === "clear")
      launches.unshift(launch("clear_sums", Math.ceil(count / 256), 256, ["out", { i32: count }]));
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
