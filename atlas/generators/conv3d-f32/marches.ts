import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
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
  type WeightHome,
} from "./base.ts";

/** Adds nine values `v[k]` of a plane of channel c to the three pending output planes. */
function spreadPlane(home: WeightHome, order: "filter-outer" | "value-outer"): string {
  const add = `part[j][f] = fmaf(v[k], ${weightAt(home, "f0 + f", "c", "((2 - j) * 9 + k)")}, part[j][f]);`;
  const loops = {
    "filter-outer": ["int f = 0; f < GROUP; ++f", "int j = 0; j < 3; ++j", "int k = 0; k < 9; ++k"],
    "value-outer": ["int k = 0; k < 9; ++k", "int j = 0; j < 3; ++j", "int f = 0; f < GROUP; ++f"],
  }[order];
  return `${loops.map((loop) => `#pragma unroll\nfor (${loop})`).join("\n")}\n${add}`;
}

const shiftPlanes = `
  #pragma unroll
  for (int f = 0; f < GROUP; ++f) {
    part[0][f] = part[1][f];
    part[1][f] = part[2][f];
    part[2][f] = 0.0f;
  }`;

const emitPlane = (store: string): string => `
  if (z > z0) {
    #pragma unroll
    for (int f = 0; f < GROUP; ++f) {
      float* to = out + (((f0 + f) * D + z - 1) * H + y) * W + col;
      ${store === "plain" ? "*to = part[0][f];" : "__stcs(to, part[0][f]);"}
    }
  }`;

/** A thread goes along z with the pending sums of three output planes. */
export const depthMarch: Template = template({
  id: "depth-march",
  from: "filter-group",
  idea: "Go along z with three planes of pending sums per filter, so that every input plane is read once per thread.",
  options: {
    weights: ["shared", "packed", "ldg"],
    order: ["value-outer", "filter-outer"],
    guard: ["tests", "mask"],
    channels: ["loop", "unrolled"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    macros: [false, true],
    group: [8, 4, 2],
    chunk: [12, 24, 48, 8],
    block: ["32x4", "32x8", "64x2", "64x4"],
  },
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const [bx, by] = numbers(o.block);
    const get = (place: string): string => (o.load === "plain" ? place : `__ldg(&${place})`);
    const place = get("plane[(k / 3 - 1) * W + k % 3 - 1]");
    const value =
      o.guard === "mask"
        ? `(mask >> k & 1) ? ${place} : 0.0f`
        : `y + k / 3 >= 1 && y + k / 3 <= H && col + k % 3 >= 1 && col + k % 3 <= W ? ${place} : 0.0f`;
    const source = `
      ${constantsOf(volume, o.macros)}
      #define GROUP ${o.group}
      #define CHUNK ${o.chunk}
      ${packKernel(o.weights)}
      extern "C" __global__ void convolve(${parameters(o.weights, true)}) {
        ${stageWeights(o.weights, "threadIdx.y * blockDim.x + threadIdx.x", "blockDim.x * blockDim.y")}
        const int col = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        const int chunks = (D + CHUNK - 1) / CHUNK;
        const int z0 = blockIdx.z % chunks * CHUNK;
        const int z1 = min(z0 + CHUNK, D);
        const int f0 = blockIdx.z / chunks * GROUP;
        if (col >= W || y >= H) return;
        ${on(
          o.guard === "mask",
          `int mask = 511;
          if (y == 0) mask &= ~7;
          if (y == H - 1) mask &= ~(7 << 6);
          if (col == 0) mask &= ~0111;
          if (col == W - 1) mask &= ~0444;`,
        )}
        float part[3][GROUP] = {};
        for (int z = z0 - 1; z <= z1; ++z) {
          if (z >= 0 && z < D) {
            ${o.channels === "loop" ? "#pragma unroll 1" : "#pragma unroll"}
            for (int c = 0; c < CIN; ++c) {
              const float* plane = x + ((c * D + z) * H + y) * W + col;
              float v[9];
              #pragma unroll
              for (int k = 0; k < 9; ++k) v[k] = ${value};
              ${spreadPlane(o.weights, o.order)}
            }
          }
          ${emitPlane(o.store)}
          ${shiftPlanes}
        }
      }
    `;
    const { cout, d, h, w } = volume;
    const grid = [Math.ceil(w / bx), Math.ceil(h / by), Math.ceil(d / o.chunk) * (cout / o.group)] as const;
    return styled(
      {
        source,
        launches: [...packLaunches(o.weights, volume), launch3("convolve", grid, [bx, by], argumentsOf(o.weights))],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** The same march with each plane's tiles of all channels in shared memory. */
export const planeMarch: Template = template({
  id: "plane-march",
  from: "depth-march",
  idea: "Stage the tiles of a plane's channels in shared memory while going along z.",
  options: {
    buffers: ["one", "two"],
    copy: ["plain", "async"],
    fill: ["linear", "by-row"],
    weights: ["shared", "packed", "ldg"],
    order: ["value-outer", "filter-outer"],
    channels: ["loop", "unrolled"],
    store: ["plain", "__stcs"],
    macros: [true, false],
    group: [8, 4],
    chunk: [24, 12, 48, 96],
    block: ["32x8", "32x4", "64x4", "32x16"],
  },
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const [bx, by] = numbers(o.block);
    const two = o.buffers === "two";
    const tile = two ? "tiles[(z + 1) & 1]" : "tiles";
    const one = `
      const int yy = y0 + a - 1;
      const int xx = x0 + b - 1;
      const bool within = z >= 0 && z < D && yy >= 0 && yy < H && xx >= 0 && xx < W;
      ${
        o.copy === "async"
          ? `__pipeline_memcpy_async(&${tile}[c][a][b], within ? &x[((c * D + z) * H + yy) * W + xx] : x, 4, within ? 0 : 4);`
          : `${tile}[c][a][b] = within ? x[((c * D + z) * H + yy) * W + xx] : 0.0f;`
      }`;
    const fill =
      o.fill === "linear"
        ? `
          for (int i = thread; i < CIN * (TY + 2) * (TX + 2); i += TX * TY) {
            const int c = i / ((TY + 2) * (TX + 2));
            const int a = i / (TX + 2) % (TY + 2);
            const int b = i % (TX + 2);
            ${one}
          }`
        : `
          for (int r = threadIdx.y; r < CIN * (TY + 2); r += TY) {
            const int c = r / (TY + 2);
            const int a = r % (TY + 2);
            for (int b = threadIdx.x; b < TX + 2; b += TX) {
              ${one}
            }
          }`;
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${constantsOf(volume, o.macros)}
      #define GROUP ${o.group}
      #define CHUNK ${o.chunk}
      #define TX ${bx}
      #define TY ${by}
      ${packKernel(o.weights)}
      extern "C" __global__ void __launch_bounds__(TX * TY) convolve(${parameters(o.weights, true)}) {
        __shared__ float tiles${on(two, "[2]")}[CIN][TY + 2][TX + 2];
        const int thread = threadIdx.y * TX + threadIdx.x;
        ${stageWeights(o.weights, "thread", "TX * TY")}
        const int x0 = blockIdx.x * TX, y0 = blockIdx.y * TY;
        const int col = x0 + threadIdx.x, y = y0 + threadIdx.y;
        const int chunks = (D + CHUNK - 1) / CHUNK;
        const int z0 = blockIdx.z % chunks * CHUNK;
        const int z1 = min(z0 + CHUNK, D);
        const int f0 = blockIdx.z / chunks * GROUP;
        float part[3][GROUP] = {};
        for (int z = z0 - 1; z <= z1; ++z) {
          ${fill}
          ${on(o.copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
          __syncthreads();
          ${o.channels === "loop" ? "#pragma unroll 1" : "#pragma unroll"}
          for (int c = 0; c < CIN; ++c) {
            float v[9];
            #pragma unroll
            for (int k = 0; k < 9; ++k) v[k] = ${tile}[c][threadIdx.y + k / 3][threadIdx.x + k % 3];
            ${spreadPlane(o.weights, o.order)}
          }
          if (col < W && y < H) {
            ${emitPlane(o.store)}
          }
          ${shiftPlanes}
          ${on(!two, "__syncthreads();")}
        }
      }
    `;
    const { cout, d, h, w } = volume;
    const grid = [Math.ceil(w / bx), Math.ceil(h / by), Math.ceil(d / o.chunk) * (cout / o.group)] as const;
    return styled(
      {
        source,
        launches: [...packLaunches(o.weights, volume), launch3("convolve", grid, [bx, by], argumentsOf(o.weights))],
      },
      { names: "camel", indent: 2 },
    );
  },
});

/** Reads a run of a row with one voxel on either side into v, zero outside the volume. */
function runOfRow(lanes: readonly string[], shuffle: boolean): string {
  const type = `float${lanes.length}`;
  return `
    const bool live = z >= 0 && z < D && yy >= 0 && yy < H;
    const float* line = x + ((c * D + z) * H + yy) * W + x0;
    ${type} mid = {};
    if (live) mid = *reinterpret_cast<const ${type}*>(line);
    ${lanes.map((lane, k) => `v[${k + 1}] = mid.${lane};`).join("\n")}
    ${
      shuffle
        ? `v[0] = __shfl_up_sync(0xffffffffu, v[RUN], 1);
          v[RUN + 1] = __shfl_down_sync(0xffffffffu, v[1], 1);
          if ((threadIdx.x & 31) == 0 || x0 == 0) v[0] = live && x0 > 0 ? line[-1] : 0.0f;
          if ((threadIdx.x & 31) == 31 || x0 + RUN == W) v[RUN + 1] = live && x0 + RUN < W ? line[RUN] : 0.0f;`
        : "v[0] = live && x0 > 0 ? line[-1] : 0.0f;\nv[RUN + 1] = live && x0 + RUN < W ? line[RUN] : 0.0f;"
    }`;
}

/** Several voxels along x per thread while going along z. */
export const quadMarch: Template = template({
  id: "strip-march",
  from: "depth-march",
  idea: "Go along z with a short run of voxels per thread, from vector loads, so that each weight read serves the run.",
  options: {
    run: ["two", "four"],
    sides: ["scalars", "shuffle"],
    weights: ["shared", "packed", "ldg"],
    channels: ["loop", "unrolled"],
    store: ["vector", "scalars"],
    bounds: [false, true],
    macros: [false, true],
    group: [4, 8, 2],
    chunk: [24, 12, 48, 8],
    threads: [128, 64, 256],
  },
  valid: ({ run, group }) => !(run === "four" && group === 8),
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cout, d, h, w } = volume;
    const run = o.run === "two" ? 2 : 4;
    const type = `float${run}`;
    const lanes = ["x", "y", "z", "w"].slice(0, run);
    const load = runOfRow(lanes, o.sides === "shuffle");
    const put =
      o.store === "vector"
        ? `*reinterpret_cast<${type}*>(to) = make_${type}(${lanes.map((_, k) => `part[0][f][${k}]`).join(", ")});`
        : "#pragma unroll\nfor (int p = 0; p < RUN; ++p) to[p] = part[0][f][p];";
    const source = `
      ${constantsOf(volume, o.macros)}
      #define RUN ${run}
      #define GROUP ${o.group}
      #define CHUNK ${o.chunk}
      ${packKernel(o.weights)}
      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.threads}) `)}convolve(${parameters(o.weights, true)}) {
        ${stageWeights(o.weights, "threadIdx.x", "blockDim.x")}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int x0 = i % (W / RUN) * RUN;
        const int y = i / (W / RUN);
        const int z0 = blockIdx.y * CHUNK;
        const int z1 = min(z0 + CHUNK, D);
        const int f0 = blockIdx.z * GROUP;
        float part[3][GROUP][RUN] = {};
        for (int z = z0 - 1; z <= z1; ++z) {
          ${o.channels === "loop" ? "#pragma unroll 1" : "#pragma unroll"}
          for (int c = 0; c < CIN; ++c) {
            #pragma unroll
            for (int b = 0; b < 3; ++b) {
              const int yy = y + b - 1;
              float v[RUN + 2];
              ${load}
              #pragma unroll
              for (int e = 0; e < 3; ++e)
                #pragma unroll
                for (int j = 0; j < 3; ++j)
                  #pragma unroll
                  for (int f = 0; f < GROUP; ++f) {
                    const float a = ${weightAt(o.weights, "f0 + f", "c", "((2 - j) * 9 + b * 3 + e)")};
                    #pragma unroll
                    for (int p = 0; p < RUN; ++p) part[j][f][p] = fmaf(a, v[p + e], part[j][f][p]);
                  }
            }
          }
          #pragma unroll
          for (int f = 0; f < GROUP; ++f) {
            if (z > z0 && y < H) {
              float* to = out + (((f0 + f) * D + z - 1) * H + y) * W + x0;
              ${put}
            }
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
              part[0][f][p] = part[1][f][p];
              part[1][f][p] = part[2][f][p];
              part[2][f][p] = 0.0f;
            }
          }
        }
      }
    `;
    const grid = [Math.ceil((h * w) / run / o.threads), Math.ceil(d / o.chunk), cout / o.group] as const;
    return styled(
      {
        source,
        launches: [
          ...packLaunches(o.weights, volume),
          launch3("convolve", grid, [o.threads, 1], argumentsOf(o.weights)),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
