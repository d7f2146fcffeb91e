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

const guards = {
  "one-test": (body: (place: string) => string): string => `
    const int zz = z + t / 9 - 1;
    const int yy = y + t / 3 % 3 - 1;
    const int xx = col + t % 3 - 1;
    if (zz >= 0 && zz < D && yy >= 0 && yy < H && xx >= 0 && xx < W) {
      ${body("x[((c * D + zz) * H + yy) * W + xx]")}
    }`,
  unsigned: (body: (place: string) => string): string => `
    const int zz = z + t / 9 - 1, yy = y + t / 3 % 3 - 1, xx = col + t % 3 - 1;
    const bool within = (unsigned)zz < D && (unsigned)yy < H && (unsigned)xx < W;
    ${body("(within ? x[((c * D + zz) * H + yy) * W + xx] : 0.0f)")}`,
  mask: (body: (place: string) => string): string => `
    const int shift = (t / 9 - 1) * H * W + (t / 3 % 3 - 1) * W + t % 3 - 1;
    ${body("(mask >> t & 1 ? x[c * D * H * W + voxel + shift] : 0.0f)")}`,
};

const maskOf = `
  unsigned int mask = 0;
  for (int t = 0; t < 27; ++t) {
    const int zz = z + t / 9 - 1, yy = y + t / 3 % 3 - 1, xx = col + t % 3 - 1;
    if (zz >= 0 && zz < D && yy >= 0 && yy < H && xx >= 0 && xx < W) mask |= 1u << t;
  }
  const int voxel = (z * H + y) * W + col;`;

const mappings = {
  boxes: `
    const int col = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    const int z = blockIdx.z % D;
    const int f0 = blockIdx.z / D * GROUP;`,
  flat: `
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int col = i % W;
    const int y = i / W % H;
    const int z = i / (W * H) % D;
    const int f0 = i / (W * H * D) * GROUP;`,
  "filters-first": `
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int f0 = i % (COUT / GROUP) * GROUP;
    const int col = i / (COUT / GROUP) % W;
    const int y = i / (COUT / GROUP * W) % H;
    const int z = i / (COUT / GROUP * W * H);`,
};

/** One output value per thread. */
export const valueThread: Template = template({
  id: "value-thread",
  from: null,
  idea: "One thread per output value with sizes known to the compiler.",
  options: {
    mapping: ["boxes", "flat", "filters-first"],
    guard: ["one-test", "unsigned", "mask"],
    weights: ["given", "ldg", "shared", "packed"],
    unroll: ["none", "taps", "some"],
    restrict: [false, true],
    macros: [true, false],
    block: ["32x8", "64x4", "16x16", "32x4"],
    threads: [256, 128, 512],
  },
  count: 24,
  write: ({ mapping, guard, weights, unroll, restrict, macros, block, threads }, sizes) => {
    const volume = volumeOf(sizes);
    const [bx, by] = numbers(block);
    const boxes = mapping === "boxes";
    const hint = { none: "", taps: "#pragma unroll", some: "#pragma unroll 9" }[unroll];
    const source = `
      ${constantsOf(volume, macros)}
      #define GROUP 1
      ${packKernel(weights)}
      extern "C" __global__ void convolve(${parameters(weights, restrict)}) {
        ${stageWeights(weights, boxes ? "threadIdx.y * blockDim.x + threadIdx.x" : "threadIdx.x", boxes ? "blockDim.x * blockDim.y" : "blockDim.x")}
        ${mappings[mapping]}
        if (col >= W || y >= H || z >= D${on(mapping === "flat", " || f0 >= COUT")}) return;
        ${on(guard === "mask", maskOf)}
        float sum = 0.0f;
        for (int c = 0; c < CIN; ++c) {
          ${hint}
          for (int t = 0; t < 27; ++t) {
            ${guards[guard]((place) => `sum += ${place} * ${weightAt(weights, "f0", "c", "t")};`)}
          }
        }
        out[((f0 * D + z) * H + y) * W + col] = sum;
      }
    `;
    const { cout, d, h, w } = volume;
    const main = boxes
      ? launch3("convolve", [Math.ceil(w / bx), Math.ceil(h / by), d * cout], [bx, by], argumentsOf(weights))
      : launch("convolve", Math.ceil((cout * d * h * w) / threads), threads, argumentsOf(weights));
    return styled({ source, launches: [...packLaunches(weights, volume), main] }, { names: "snake", indent: 2 });
  },
});

/** Several filters of one voxel per thread. */
export const filterGroup: Template = template({
  id: "filter-group",
  from: "value-thread",
  idea: "Compute a group of filters per voxel and thread, so that every value read serves all of them.",
  options: {
    mapping: ["boxes", "flat"],
    guard: ["unsigned", "one-test", "mask"],
    weights: ["shared", "packed", "given", "ldg"],
    order: ["channel-outer", "tap-outer"],
    unroll: ["taps", "none", "some"],
    bounds: [false, true],
    macros: [false, true],
    group: [8, 4, 2],
    block: ["32x8", "64x4", "64x2", "32x4"],
  },
  count: 27,
  write: ({ mapping, guard, weights, order, unroll, bounds, macros, group, block }, sizes) => {
    const volume = volumeOf(sizes);
    const [bx, by] = numbers(block);
    const boxes = mapping === "boxes";
    const hint = { none: "#pragma unroll 1", taps: "#pragma unroll", some: "#pragma unroll 3" }[unroll];
    const inner = guards[guard](
      (place) => `
        const float v = ${place};
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) sum[f] = fmaf(v, ${weightAt(weights, "f0 + f", "c", "t")}, sum[f]);`,
    );
    const loops =
      order === "channel-outer"
        ? `for (int c = 0; c < CIN; ++c) {\n${hint}\nfor (int t = 0; t < 27; ++t) {\n${inner}\n}\n}`
        : `${hint}\nfor (int t = 0; t < 27; ++t) {\n#pragma unroll\nfor (int c = 0; c < CIN; ++c) {\n${inner}\n}\n}`;
    const source = `
      ${constantsOf(volume, macros)}
      #define GROUP ${group}
      ${packKernel(weights)}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${bx * by}) `)}convolve(${parameters(weights, true)}) {
        ${stageWeights(weights, boxes ? "threadIdx.y * blockDim.x + threadIdx.x" : "threadIdx.x", boxes ? "blockDim.x * blockDim.y" : "blockDim.x")}
        ${mappings[mapping]}
        if (col >= W || y >= H || z >= D${on(!boxes, " || f0 >= COUT")}) return;
        ${on(guard === "mask", maskOf)}
        float sum[GROUP];
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) sum[f] = 0.0f;
        ${loops}
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) out[(((f0 + f) * D + z) * H + y) * W + col] = sum[f];
      }
    `;
    const { cout, d, h, w } = volume;
    const groups = cout / group;
    const main = boxes
      ? launch3("convolve", [Math.ceil(w / bx), Math.ceil(h / by), d * groups], [bx, by], argumentsOf(weights))
      : launch("convolve", Math.ceil((groups * d * h * w) / (bx * by)), bx * by, argumentsOf(weights));
    return styled({ source, launches: [...packLaunches(weights, volume), main] }, { names: "camel", indent: 2 });
  },
});

/** A run of voxels along x times a group of filters per thread. */
export const runBlock: Template = template({
  id: "run-block",
  from: "filter-group",
  idea: "Block a run of voxels along the row and a group of filters in registers.",
  options: {
    fetch: ["scalars", "vectors"],
    weights: ["shared", "packed", "ldg"],
    rows: ["skip", "zero"],
    channels: ["loop", "unrolled"],
    store: ["scalar", "vector"],
    bounds: [false, true],
    macros: [true, false],
    run: [4, 8],
    group: [8, 4],
    threads: [128, 192, 96, 256],
  },
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const load =
      o.fetch === "scalars"
        ? `
          #pragma unroll
          for (int i = 0; i < RUN + 2; ++i) {
            const int xx = x0 + i - 1;
            v[i] = ${on(o.rows === "zero", "live && ")}xx >= 0 && xx < W ? line[xx] : 0.0f;
          }`
        : `
          #pragma unroll
          for (int i = 0; i < RUN / 4; ++i) {
            const float4 q = ${o.rows === "zero" ? "live ? reinterpret_cast<const float4*>(line + x0)[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f)" : "reinterpret_cast<const float4*>(line + x0)[i]"};
            v[4 * i + 1] = q.x;
            v[4 * i + 2] = q.y;
            v[4 * i + 3] = q.z;
            v[4 * i + 4] = q.w;
          }
          v[0] = ${on(o.rows === "zero", "live && ")}x0 > 0 ? line[x0 - 1] : 0.0f;
          v[RUN + 1] = ${on(o.rows === "zero", "live && ")}x0 + RUN < W ? line[x0 + RUN] : 0.0f;`;
    const test = "zz >= 0 && zz < D && yy >= 0 && yy < H";
    const source = `
      ${constantsOf(volume, o.macros)}
      #define RUN ${o.run}
      #define GROUP ${o.group}
      ${packKernel(o.weights)}
      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.threads}) `)}convolve(${parameters(o.weights, true)}) {
        ${stageWeights(o.weights, "threadIdx.x", "blockDim.x")}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int x0 = i % (W / RUN) * RUN;
        const int y = i / (W / RUN) % H;
        const int z = i / (W / RUN * H);
        const int f0 = blockIdx.y * GROUP;
        if (z >= D) return;
        float sum[GROUP][RUN] = {};
        ${o.channels === "loop" ? "#pragma unroll 1" : "#pragma unroll"}
        for (int c = 0; c < CIN; ++c) {
          #pragma unroll
          for (int k = 0; k < 9; ++k) {
            const int zz = z + k / 3 - 1;
            const int yy = y + k % 3 - 1;
            ${o.rows === "skip" ? `if (!(${test})) continue;` : `const bool live = ${test};`}
            const float* line = x + ((c * D + zz) * H + yy) * W;
            float v[RUN + 2];
            ${load}
            #pragma unroll
            for (int e = 0; e < 3; ++e) {
              #pragma unroll
              for (int f = 0; f < GROUP; ++f) {
                const float a = ${weightAt(o.weights, "f0 + f", "c", "(k * 3 + e)")};
                #pragma unroll
                for (int p = 0; p < RUN; ++p) sum[f][p] += a * v[p + e];
              }
            }
          }
        }
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) {
          float* to = out + (((f0 + f) * D + z) * H + y) * W + x0;
          #pragma unroll
          ${
            o.store === "vector"
              ? "for (int p = 0; p < RUN; p += 4) *reinterpret_cast<float4*>(to + p) = make_float4(sum[f][p], sum[f][p + 1], sum[f][p + 2], sum[f][p + 3]);"
              : "for (int p = 0; p < RUN; ++p) to[p] = sum[f][p];"
          }
        }
      }
    `;
    const { cout, d, h, w } = volume;
    const main = launch(
      "convolve",
      [Math.ceil((d * h * w) / o.run / o.threads), cout / o.group],
      o.threads,
      argumentsOf(o.weights),
    );
    return styled({ source, launches: [...packLaunches(o.weights, volume), main] }, { names: "snake", indent: 4 });
  },
});
