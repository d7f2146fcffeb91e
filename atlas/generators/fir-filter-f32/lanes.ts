import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

/** Samples in the lanes of a warp; the history comes from neighbours by shuffles. */
export const warpShuffle: Template = template({
  id: "warp-shuffle",
  from: "output-per-thread",
  idea: "Keep the recent samples in the lanes of a warp and fetch the history with shuffles.",
  options: {
    shift: ["select", "two-shuffles", "rotate"],
    taps: ["lane", "global", "shared"],
    march: ["carry", "reload"],
    unroll: ["steps", "parts", "none"],
    split: [false, true],
    segment: [16, 8, 32],
    warps: [4, 8, 2],
  },
  count: 24,
  write: ({ shift, taps: tapPlace, march, unroll, split, segment, warps }, { channels = 0, n = 0, taps = 0 }) => {
    const parts = taps / 32;
    const tap = {
      lane: "__shfl_sync(FULL, mine[p], k)",
      global: "h[32 * p + k]",
      shared: "kernel_taps[32 * p + k]",
    }[tapPlace];
    const add = (value: string): string =>
      split ? `if (k & 1) odd += tap * ${value};\nelse sum += tap * ${value};` : `sum += tap * ${value};`;
    const shifts = {
      select: `
        const float give = lane < 32 - k ? past[p] : past[p + 1];
        const float sample = __shfl_sync(FULL, give, (lane - k) & 31);
        ${add("sample")}`,
      "two-shuffles": `
        const float near = __shfl_sync(FULL, past[p], (lane - k) & 31);
        const float far = __shfl_sync(FULL, past[p + 1], (lane - k) & 31);
        ${add("(lane >= k ? near : far)")}`,
      rotate: `
        ${add("near")}
        near = __shfl_sync(FULL, near, (lane - 1) & 31);
        far = __shfl_sync(FULL, far, (lane - 1) & 31);
        if (lane == 0) near = far;`,
    }[shift];
    const initial = on(shift === "rotate", "float near = past[p], far = past[p + 1];");
    const outer = unroll === "none" ? "#pragma unroll 1" : "#pragma unroll";
    const inner = unroll === "steps" ? "#pragma unroll" : "#pragma unroll 4";
    const load = (offset: string): string => `(place - ${offset} >= 0 ? row[place - ${offset}] : 0.0f)`;
    const advance =
      march === "carry"
        ? `
          #pragma unroll
          for (int p = PARTS; p > 0; --p) past[p] = past[p - 1];
          past[0] = row[place];`
        : `
          #pragma unroll
          for (int p = 0; p <= PARTS; ++p) past[p] = ${load("32 * p")};`;
    const source = `
      #define PARTS ${parts}
      #define SEGMENT ${segment}  // groups of 32 samples per warp
      #define LENGTH ${n}
      #define FULL 0xffffffffu

      extern "C" __global__ void warp_fir(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        const int lane = threadIdx.x & 31;
        const int segment = blockIdx.x * ${warps} + threadIdx.x / 32;
        const float* row = x + blockIdx.y * LENGTH;
        float* out = y + blockIdx.y * LENGTH;
        ${on(tapPlace === "lane", `float mine[PARTS];\n#pragma unroll\nfor (int p = 0; p < PARTS; ++p) mine[p] = h[32 * p + lane];`)}
        ${on(tapPlace === "shared", `__shared__ float kernel_taps[32 * PARTS];\nfor (int t = threadIdx.x; t < 32 * PARTS; t += ${32 * warps}) kernel_taps[t] = h[t];\n__syncthreads();`)}
        int place = segment * SEGMENT * 32 + lane;
        float past[PARTS + 1];
        ${on(march === "carry", `#pragma unroll\nfor (int p = 0; p < PARTS; ++p) past[p] = ${load("32 * (p + 1)")};`)}
        for (int s = 0; s < SEGMENT; ++s, place += 32) {
          ${advance}
          float sum = 0.0f${on(split, ", odd = 0.0f")};
          ${outer}
          for (int p = 0; p < PARTS; ++p) {
            ${initial}
            ${inner}
            for (int k = 0; k < 32; ++k) {
              const float tap = ${tap};
              ${shifts}
            }
          }
          out[place] = sum${on(split, " + odd")};
        }
      }
    `;
    const grid = [n / 32 / segment / warps, channels] as const;
    return styled(
      { source, launches: [launch("warp_fir", grid, 32 * warps, ["x", "h", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** The lanes of a warp are channels; a tile in shared memory turns the rows. */
export const channelPerLane: Template = template({
  id: "channel-per-lane",
  from: "strip-per-thread",
  idea: "Give each lane its own channel and turn tiles through shared memory so that global accesses coalesce.",
  options: {
    pitch: ["odd", "even", "swizzle"],
    window: ["ring", "reread"],
    output: ["through-tile", "own-tile", "direct"],
    taps: ["global", "shared"],
    fill: ["warp-rows", "linear"],
    unroll: [true, false],
    run: [8, 4, 16],
    warps: [4, 8, 2],
  },
  count: 22,
  write: ({ pitch, window, output, taps: tapPlace, fill, unroll, run, warps }, { channels = 0, n = 0, taps = 0 }) => {
    const span = run * warps;
    const width = span + taps;
    const cell = (line: string, column: string): string =>
      pitch === "swizzle" ? `tile[${line}][turned(${column}, ${line})]` : `tile[${line}][${column}]`;
    const tap = (k: string): string => (tapPlace === "shared" ? `weight[${k}]` : `h[${k}]`);
    const body = laneBody(window, unroll, tap, cell);
    const fills = laneFill(fill, cell);
    const turn = (array: "tile" | "result"): string => {
      const put = array === "tile" ? cell("lane", "warp * RUN + j") : "result[lane][warp * RUN + j]";
      const get = array === "tile" ? cell("c", "t") : "result[c][t]";
      return `
        ${on(array === "tile", "__syncthreads();")}
        #pragma unroll
        for (int j = 0; j < RUN; ++j) ${put} = acc[j];
        __syncthreads();
        for (int e = threadIdx.x; e < 32 * SPAN; e += 32 * WARPS) {
          const int c = e / SPAN;
          const int t = e % SPAN;
          y[(group + c) * LENGTH + start + t] = ${get};
        }`;
    };
    const outputs = {
      "through-tile": turn("tile"),
      "own-tile": turn("result"),
      direct:
        "#pragma unroll\nfor (int j = 0; j < RUN; ++j) y[(group + lane) * LENGTH + start + warp * RUN + j] = acc[j];",
    };
    const padded = pitch === "odd" ? width + 1 - (width % 2) : pitch === "even" ? width : Math.ceil(width / 32) * 32;
    const source = `
      constexpr int TAPS = ${taps};
      constexpr int LENGTH = ${n};
      constexpr int RUN = ${run}, WARPS = ${warps};
      constexpr int SPAN = RUN * WARPS;
      constexpr int WIDTH = SPAN + TAPS;

      ${on(pitch === "swizzle", "// Turns the banks of a row by its number.\n__device__ __forceinline__ int turned(int column, int line) {\nreturn column ^ line;\n}\n")}
      extern "C" __global__ void fir_lanes(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        __shared__ float tile[32][${padded}];
        ${on(output === "own-tile", "__shared__ float result[32][SPAN + 1];")}
        ${on(tapPlace === "shared", "__shared__ float weight[TAPS];\nfor (int k = threadIdx.x; k < TAPS; k += 32 * WARPS) weight[k] = h[k];")}
        const int lane = threadIdx.x % 32;
        const int warp = threadIdx.x / 32;
        const int group = blockIdx.y * 32;
        const int start = blockIdx.x * SPAN;
        ${fills}
        __syncthreads();
        const int mine = TAPS + warp * RUN;
        float acc[RUN] = {};
        ${body}
        ${outputs[output]}
      }
    `;
    return styled(
      { source, launches: [launch("fir_lanes", [n / span, channels / 32], 32 * warps, ["x", "h", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});

type Cell = (line: string, column: string) => string;

function laneBody(window: "ring" | "reread", unroll: boolean, tap: (k: string) => string, cell: Cell): string {
  return window === "ring"
    ? `
          float win[RUN];
          #pragma unroll
          for (int j = 0; j < RUN; ++j) win[j] = ${cell("lane", "mine + j")};
          ${on(unroll, "#pragma unroll")}
          for (int k = 0; k < TAPS; k += RUN) {
            #pragma unroll
            for (int kk = 0; kk < RUN; ++kk) {
              const float w = ${tap("k + kk")};
              #pragma unroll
              for (int j = 0; j < RUN; ++j) acc[j] = fmaf(w, win[(j + RUN - kk) % RUN], acc[j]);
              win[RUN - 1 - kk] = ${cell("lane", "mine - 1 - k - kk")};
            }
          }`
    : `
          ${on(unroll, "#pragma unroll 4")}
          for (int k = 0; k < TAPS; ++k) {
            const float w = ${tap("k")};
            #pragma unroll
            for (int j = 0; j < RUN; ++j) acc[j] = fmaf(w, ${cell("lane", "mine + j - k")}, acc[j]);
          }`;
}

function laneFill(fill: "warp-rows" | "linear", cell: Cell): string {
  return fill === "linear"
    ? `
          for (int e = threadIdx.x; e < 32 * WIDTH; e += 32 * WARPS) {
            const int c = e / WIDTH;
            const int t = e % WIDTH;
            const int at = start - TAPS + t;
            ${cell("c", "t")} = at >= 0 ? x[(group + c) * LENGTH + at] : 0.0f;
          }`
    : `
          for (int c = warp; c < 32; c += WARPS) {
            for (int t = lane; t < WIDTH; t += 32) {
              const int at = start - TAPS + t;
              ${cell("c", "t")} = at >= 0 ? x[(group + c) * LENGTH + at] : 0.0f;
            }
          }`;
}

/** Sums of the parts of the taps meet by shuffles, atomics or further launches. */
export const tapSplit: Template = template({
  id: "tap-split",
  from: "output-per-thread",
  idea: "Split the taps into parts that separate threads or launches compute, then add the parts.",
  options: {
    way: ["lanes", "atomic", "scratch", "passes", "block"],
    guard: ["select", "bound"],
    vector: [false, true],
    restrict: [true, false],
    unroll: [true, false],
    parts: [4, 2],
    block: [256, 128],
  },
  valid: ({ way, vector }) => !vector || way === "scratch" || way === "passes",
  count: 22,
  write: ({ way, guard, vector, restrict, unroll, parts, block }, { channels = 0, n = 0, taps = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const share = taps / parts;
    const pragma = on(unroll, "#pragma unroll 8");
    const sumOf = (first: string): string =>
      guard === "select"
        ? `
          float sum = 0.0f;
          ${pragma}
          for (int k = ${first}; k < ${first} + SHARE; ++k) {
            sum += i >= k ? h[k] * row[i - k] : 0.0f;
          }`
        : `
          float sum = 0.0f;
          const int last = min(${first} + SHARE, i + 1);
          ${pragma}
          for (int k = ${first}; k < last; ++k) sum += h[k] * row[i - k];`;
    const open = (name: string, target: string, extra = ""): string =>
      `extern "C" __global__ void ${name}(const float*${mark} x, const float*${mark} h, float*${mark} ${target}${extra}) {`;
    const blocks = n / block;
    const head = `#define SHARE ${share}\n#define PARTS ${parts}\n#define LENGTH ${n}\n#define CHANNELS ${channels}\n`;
    const plain = `const int i = blockIdx.x * blockDim.x + threadIdx.x;\nconst float* row = x + blockIdx.y * LENGTH;`;
    const total = channels * n;
    if (way === "lanes" || way === "block")
      return inBlock(way === "lanes", { head, open, sumOf, parts, block, n, channels });
    if (way === "passes") return inPasses(vector, { head, open, sumOf, parts, block, n, channels }, plain, share);
    if (way === "atomic") {
      const source = `${head}
        extern "C" __global__ void clear(float4* y) {
          y[(size_t)blockIdx.x * blockDim.x + threadIdx.x] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }

        ${open("add_parts", "y")}
          const int first = blockIdx.z * SHARE;
          ${plain}
          ${sumOf("first")}
          atomicAdd(&y[blockIdx.y * LENGTH + i], sum);
        }`;
      const main = launch("add_parts", [blocks, channels], block, ["x", "h", "y"]);
      const launches = [
        launch("clear", total / 4 / block, block, ["y"]),
        { ...main, grid: [blocks, channels, parts] as const },
      ];
      return styled({ source, launches }, { names: "camel", indent: 2 });
    }
    const join = vector
      ? "const float4* p = reinterpret_cast<const float4*>(scratch) + j;\nfloat4 s = p[0];\n#pragma unroll\nfor (int q = 1; q < PARTS; ++q) {\nconst float4 v = p[(size_t)q * (CHANNELS * LENGTH / 4)];\ns.x += v.x;\ns.y += v.y;\ns.z += v.z;\ns.w += v.w;\n}\nreinterpret_cast<float4*>(y)[j] = s;"
      : "float s = 0.0f;\nfor (int q = 0; q < PARTS; ++q) s += scratch[(size_t)q * CHANNELS * LENGTH + j];\ny[j] = s;";
    const source = `${head}
      ${open("parts_of_sums", "scratch")}
        const int first = blockIdx.z * SHARE;
        ${plain}
        ${sumOf("first")}
        scratch[((size_t)blockIdx.z * CHANNELS + blockIdx.y) * LENGTH + i] = sum;
      }

      extern "C" __global__ void join_parts(const float*${mark} scratch, float*${mark} y) {
        const int j = blockIdx.x * blockDim.x + threadIdx.x;
        ${join}
      }`;
    const main = launch("parts_of_sums", [blocks, channels], block, ["x", "h", "scratch"]);
    return styled(
      {
        source,
        launches: [
          { ...main, grid: [blocks, channels, parts] as const },
          launch("join_parts", total / block / (vector ? 4 : 1), block, ["scratch", "y"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

type Launches = ReturnType<typeof launch>[];

const halved = (launches: Launches): Launches =>
  launches.map((entry) => ({ ...entry, grid: [Number(entry.grid[0]) / 2, entry.grid[1], 1] as const }));

/** The same pass with two neighbouring blocks' samples per thread. */
function twoOutputs(source: string): string {
  return source
    .replace(
      "const int i = blockIdx.x * blockDim.x + threadIdx.x;",
      "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < LENGTH; i += gridDim.x * blockDim.x) {",
    )
    .replace(/y\[at\] = (.*);/, "y[at] = $1;\n}");
}

interface InBlock {
  readonly head: string;
  readonly open: (name: string, target: string, extra?: string) => string;
  readonly sumOf: (first: string) => string;
  readonly parts: number;
  readonly block: number;
  readonly n: number;
  readonly channels: number;
}

function inBlock(lanes: boolean, { head, open, sumOf, parts, block, n, channels }: InBlock) {
  const place = lanes
    ? "const int part = threadIdx.x % PARTS;\nconst int i = (blockIdx.x * blockDim.x + threadIdx.x) / PARTS;"
    : `const int part = threadIdx.x / ${block / parts};\nconst int i = blockIdx.x * ${block / parts} + threadIdx.x % ${block / parts};`;
  const meet = lanes
    ? `
      #pragma unroll
      for (int offset = PARTS / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
      if (part == 0) y[blockIdx.y * LENGTH + i] = sum;`
    : `
      __shared__ float sums[${block}];
      sums[threadIdx.x] = sum;
      __syncthreads();
      if (part == 0) {
        for (int p = 1; p < PARTS; ++p) sum += sums[threadIdx.x + p * ${block / parts}];
        y[blockIdx.y * LENGTH + i] = sum;
      }`;
  const source = `${head}
    ${open("split_sum", "y")}
      ${place}
      const float* row = x + blockIdx.y * LENGTH;
      const int first = part * SHARE;
      ${sumOf("first")}
      ${meet}
    }`;
  const launches = [launch("split_sum", [(n * parts) / block, channels], block, ["x", "h", "y"])];
  return styled({ source, launches }, { names: "snake", indent: 4 });
}

function inPasses(
  pairs: boolean,
  { head, open, sumOf, parts, block, n, channels }: InBlock,
  plain: string,
  share: number,
) {
  const source = `${head}
        ${open("add_part", "y", ", int first")}
          ${plain}
          ${sumOf("first")}
          const int at = blockIdx.y * LENGTH + i;
          y[at] = first == 0 ? sum : y[at] + sum;
        }`;
  const launches = Array.from({ length: parts }, (_, p) =>
    launch("add_part", [n / block, channels], block, ["x", "h", "y", { i32: p * share }]),
  );
  return styled(
    { source: pairs ? twoOutputs(source) : source, launches: pairs ? halved(launches) : launches },
    { names: "snake", indent: 2 },
  );
}
