import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  channelLines,
  constants,
  count,
  lanes,
  mapVector,
  overGroup,
  shape,
  spread,
  totals,
  totalStyles,
  vector,
} from "./fragments.ts";

const standard = ["x", "gamma", "beta", "y"] as const;

/** One block per group and three passes over memory. */
export const threePasses: Template = template({
  id: "three-passes",
  from: null,
  idea: "Keep the three passes of one block per group; change its size, loops and reduction.",
  options: {
    totals: totalStyles,
    width: [1, 2, 4],
    walk: ["flat", "nested"],
    form: ["divide", "plain", "folded"],
    block: [64, 128, 256, 512, 1024, 32],
    reverse: [false, true],
    unroll: [false, true],
    restrict: [false, true],
    style: ["define", "constexpr"],
  },
  count: 29,
  write: ({ totals: total, width, walk, form, block, reverse, unroll, restrict, style }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const r = on(restrict, "__restrict__ ");
    const pragma = on(unroll, "#pragma unroll 4");
    const sums = lanes(width)
      .map((lane) => `v${lane}`)
      .join(" + ");
    const squares = lanes(width)
      .map((lane) => `squares += (v${lane} - mean) * (v${lane} - mean);`)
      .join("\n");
    const source = `
      ${constants(style, given, width, block)}

      ${totals(total)}
      extern "C" __global__ void group_norm(const ${type}* ${r}x, const float* ${r}gamma, const float* ${r}beta, ${type}* ${r}y) {
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        ${type}* out = y + (size_t)blockIdx.x * LENGTH;
        const int first_channel = blockIdx.x % GROUPS * CHANNELS;
        float sum = 0.0f;
        ${overGroup({ walk, pragma }, `const ${type} v = in[i];\nsum += ${sums};`)}
        const float mean = team_total(sum) / ${count(given)};
        float squares = 0.0f;
        ${overGroup({ walk, pragma, reverse }, `const ${type} v = in[i];\n${squares}`)}
        const float variance = team_total(squares) / ${count(given)};
        ${spread(form, "variance")}
        ${overGroup({ walk, pragma }, mapVector(form, width, "in[i]", "out[i]"), channelLines(form, "first_channel + c"))}
      }
    `;
    return styled(
      { source, launches: [launch("group_norm", given.all, block, standard)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Sum and sum of squares in one pass. */
export const twoPasses: Template = template({
  id: "sum-and-squares",
  from: "three-passes",
  idea: "Gather the sum and the sum of squares in one pass, relative to a pivot, and save one reading.",
  options: {
    totals: totalStyles,
    width: [1, 4, 2],
    pivot: ["none", "first", "constant"],
    walk: ["flat", "nested"],
    form: ["plain", "folded", "divide"],
    block: [256, 512, 1024, 128],
    reverse: [true, false],
    streamed: [false, true],
    parts: ["one", "two"],
    groupLoop: [false, true],
  },
  count: 30,
  write: ({ totals: total, width, pivot, walk, form, block, reverse, streamed, parts, groupLoop }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const shifted = pivot !== "none";
    const add = (state: string, lane: string): string => {
      const value = shifted ? `(v${lane} - pivot)` : `v${lane}`;
      return `${state}.x += ${value};\n${state}.y = fmaf(${value}, ${value}, ${state}.y);`;
    };
    const adds = lanes(width)
      .map((lane, index) => add(parts === "two" && index % 2 ? "second" : "mine", lane))
      .join("\n");
    const firstValue = width === 1 ? "in[0]" : "in[0].x";
    const body = `
      const ${type}* in = x + (size_t)group * LENGTH;
      ${type}* out = y + (size_t)group * LENGTH;
      const int first_channel = group % GROUPS * CHANNELS;
      ${on(shifted, `const float pivot = ${pivot === "first" ? firstValue : "1.0f"};`)}
      float2 mine = make_float2(0.0f, 0.0f);
      ${on(parts === "two", "float2 second = make_float2(0.0f, 0.0f);")}
      ${overGroup({ walk }, `const ${type} v = in[i];\n${adds}`)}
      ${on(parts === "two", "mine.x += second.x;\nmine.y += second.y;")}
      const float2 both = team_total(mine);
      const float offset = both.x / ${count(given)};
      const float mean = offset${on(shifted, " + pivot")};
      const float variance = fmaxf(both.y / ${count(given)} - offset * offset, 0.0f);
      ${spread(form, "variance")}
      ${overGroup({ walk, reverse }, mapVector(form, width, "in[i]", "out[i]", streamed), channelLines(form, "first_channel + c"))}`;
    const source = `
      ${constants("define", given, width, block)}

      ${totals(total, true)}
      extern "C" __global__ void norm_two_passes(const ${type}* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta, ${type}* __restrict__ y) {
        ${groupLoop ? `for (int group = blockIdx.x; group < ${given.all}; group += gridDim.x) {\n${body}\n}` : `const int group = blockIdx.x;\n${body}`}
      }
    `;
    const grid = groupLoop ? Math.min(given.all, 132 * (2048 / block)) : given.all;
    return styled(
      { source, launches: [launch("norm_two_passes", grid, block, standard)] },
      { names: "camel", indent: 4 },
    );
  },
});

/** Running mean and squared deviation. */
export const welford: Template = template({
  id: "running-moments",
  from: "sum-and-squares",
  idea: "Update mean and squared deviation value by value, and merge them across the block.",
  options: {
    update: ["divide", "reciprocal", "vector", "counted"],
    merge: ["shuffle", "serial", "tree"],
    width: [1, 4],
    form: ["plain", "folded"],
    block: [256, 128, 512, 1024],
    reverse: [false, true],
    walk: ["flat", "nested"],
    restrict: [true, false],
  },
  valid: ({ update, width }) => update !== "vector" || width === 4,
  count: 28,
  write: ({ update, merge, width, form, block, reverse, walk, restrict }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const r = on(restrict, "__restrict__ ");
    const one = (lane: string): string =>
      ({
        divide: `run = pushed(run, v${lane});`,
        reciprocal: `run = pushed(run, v${lane});`,
        counted: `
          const float delta${lane.slice(1)} = v${lane} - run.mean;
          run.weight += 1.0f;
          run.mean += __fdividef(delta${lane.slice(1)}, run.weight);
          run.deviation += delta${lane.slice(1)} * (v${lane} - run.mean);`,
        vector: "",
      })[update];
    const whole = `
      const float mid = 0.25f * ((v.x + v.y) + (v.z + v.w));
      Moments four;
      four.weight = 4.0f;
      four.mean = mid;
      four.deviation = (v.x - mid) * (v.x - mid) + (v.y - mid) * (v.y - mid) + (v.z - mid) * (v.z - mid) + (v.w - mid) * (v.w - mid);
      run = merged(run, four);`;
    const push = `
      __device__ __forceinline__ Moments pushed(Moments a, float value) {
        const float delta = value - a.mean;
        a.weight += 1.0f;
        a.mean += ${update === "reciprocal" ? "delta * __frcp_rn(a.weight)" : "delta / a.weight"};
        a.deviation += delta * (value - a.mean);
        return a;
      }
    `;
    const source = `
      ${constants("constexpr", given, width, block)}

      ${momentsStruct}
      ${on(update === "divide" || update === "reciprocal", push)}
      extern "C" __global__ void norm_running(const ${type}* ${r}x, const float* ${r}gamma, const float* ${r}beta, ${type}* ${r}y) {
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        ${type}* out = y + (size_t)blockIdx.x * LENGTH;
        Moments run = {0.0f, 0.0f, 0.0f};
        ${overGroup({ walk }, `const ${type} v = in[i];\n${update === "vector" ? whole : lanes(width).map(one).join("\n")}`)}
        ${momentsMerge(merge)}
        const float mean = run.mean;
        ${spread(form, "run.deviation / run.weight")}
        ${overGroup({ walk, reverse }, mapVector(form, width, "in[i]", "out[i]"), channelLines(form, "blockIdx.x % GROUPS * CHANNELS + c"))}
      }
    `;
    return styled(
      { source, launches: [launch("norm_running", given.all, block, standard)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Warps own channels. */
export const channelWarps: Template = template({
  id: "warps-per-channel",
  from: "sum-and-squares",
  idea: "Let each warp stay within one channel so that its scale and shift are found once.",
  options: {
    perChannel: [1, 2, 4],
    width: [4, 1, 2],
    squares: ["sums", "second-pass"],
    form: ["folded", "plain"],
    unroll: ["none", "four", "eight"],
    reverse: [false, true],
    streamed: [false, true],
    combine: ["all", "atomic", "first"],
    load: ["plain", "nc", "cg"],
  },
  count: 29,
  write: ({ perChannel, width, squares, form, unroll, reverse, streamed, combine, load }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const warps = given.groupChannels * perChannel;
    const pragma = { none: "#pragma unroll 1", four: "#pragma unroll 4", eight: "#pragma unroll 8" }[unroll];
    const get = { plain: "in[s]", nc: "__ldg(in + s)", cg: "__ldcg(in + s)" }[load];
    const walk = (body: string, backwards = false): string => `
      ${pragma}
      for (int s = ${backwards ? "PLANE - STEP + start; s >= 0; s -= STEP" : "start; s < PLANE; s += STEP"}) {
        ${body}
      }`;
    const oneSweep = `
      float a = 0.0f, b = 0.0f;
      ${walk(
        `const ${type} v = ${get};\n${lanes(width)
          .map((lane) => `a += v${lane};\nb += v${lane} * v${lane};`)
          .join("\n")}`,
      )}
      const float mean = across(a, parts) / ${count(given)};
      const float variance = across(b, parts) / ${count(given)} - mean * mean;`;
    const twoSweeps = `
      float a = 0.0f;
      ${walk(
        `const ${type} v = ${get};\n${lanes(width)
          .map((lane) => `a += v${lane};`)
          .join("\n")}`,
      )}
      const float mean = across(a, parts) / ${count(given)};
      float b = 0.0f;
      ${walk(
        `const ${type} v = ${get};\n${lanes(width)
          .map((lane) => `b += (v${lane} - mean) * (v${lane} - mean);`)
          .join("\n")}`,
        reverse,
      )}
      const float variance = across(b, parts) / ${count(given)};`;
    const source = `
      #define WARPS ${warps}
      #define PLANE ${given.plane / width}
      #define STEP ${32 * perChannel}

      __device__ float across(float mine, float* parts) {
        const int lane = threadIdx.x % 32;
        ${on(combine !== "atomic", "const int warp = threadIdx.x / 32;")}
        for (int d = 16; d > 0; d >>= 1) mine += __shfl_xor_sync(0xffffffffu, mine, d);
        ${warpsGather(combine)}
      }

      extern "C" __global__ void __launch_bounds__(WARPS * 32) norm_channels(const ${type}* __restrict__ x, const float* __restrict__ gamma,
          const float* __restrict__ beta, ${type}* __restrict__ y) {
        __shared__ float parts[WARPS];
        const int start = threadIdx.x % STEP;
        const int channel = blockIdx.x * ${given.groupChannels} + threadIdx.x / STEP;  // over all samples
        const ${type}* in = x + (size_t)channel * PLANE;
        ${type}* out = y + (size_t)channel * PLANE;
        ${squares === "sums" ? oneSweep : twoSweeps}
        ${spread(form, "variance")}
        ${channelLines(form, `channel % ${given.channels}`)}
        ${walk(mapVector(form, width, get, "out[s]", streamed), squares === "sums" && reverse)}
      }
    `;
    return styled(
      { source, launches: [launch("norm_channels", given.all, warps * 32, standard)] },
      { names: "camel", indent: 2 },
    );
  },
});

const momentsStruct = `
      struct Moments {
        float weight;
        float mean;
        float deviation;
      };

      __device__ __forceinline__ Moments merged(Moments a, Moments b) {
        const float weight = a.weight + b.weight;
        const float delta = b.mean - a.mean;
        const float share = b.weight / weight;
        Moments both;
        both.weight = weight;
        both.mean = a.mean + delta * share;
        both.deviation = a.deviation + b.deviation + delta * delta * a.weight * share;
        return both;
      }

`;

/** Merges the threads' running moments into `run` of every thread. */
function momentsMerge(merge: "shuffle" | "serial" | "tree"): string {
  const shuffles = `
      #pragma unroll
      for (int d = 16; d > 0; d /= 2) {
        Moments other;
        other.weight = __shfl_xor_sync(0xffffffffu, run.weight, d);
        other.mean = __shfl_xor_sync(0xffffffffu, run.mean, d);
        other.deviation = __shfl_xor_sync(0xffffffffu, run.deviation, d);
        run = merged(run, other);
      }`;
  return {
    shuffle: `
        __shared__ Moments parts[BLOCK / 32];
        ${shuffles}
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = run;
        __syncthreads();
        run = parts[0];
        for (int w = 1; w < BLOCK / 32; ++w) run = merged(run, parts[w]);`,
    serial: `
        __shared__ Moments parts[BLOCK / 32];
        __shared__ Moments whole;
        ${shuffles}
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = run;
        __syncthreads();
        if (threadIdx.x == 0) {
          for (int w = 1; w < BLOCK / 32; ++w) run = merged(run, parts[w]);
          whole = run;
        }
        __syncthreads();
        run = whole;`,
    tree: `
        __shared__ Moments cells[BLOCK];
        cells[threadIdx.x] = run;
        __syncthreads();
        for (int d = BLOCK / 2; d > 0; d /= 2) {
          if (threadIdx.x < d) cells[threadIdx.x] = merged(cells[threadIdx.x], cells[threadIdx.x + d]);
          __syncthreads();
        }
        run = cells[0];`,
  }[merge];
}

/** Adds the warps' sums `mine` and returns the total to every thread. */
function warpsGather(combine: "all" | "first" | "atomic"): string {
  return {
    all: `
        if (lane == 0) parts[warp] = mine;
        __syncthreads();
        float sum = 0.0f;
        #pragma unroll
        for (int w = 0; w < WARPS; ++w) sum += parts[w];
        __syncthreads();
        return sum;`,
    first: `
        if (lane == 0) parts[warp] = mine;
        __syncthreads();
        if (warp == 0) {
          float v = lane < WARPS ? parts[lane] : 0.0f;
          for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
          if (lane == 0) parts[0] = v;
        }
        __syncthreads();
        const float sum = parts[0];
        __syncthreads();
        return sum;`,
    atomic: `
        if (threadIdx.x == 0) parts[0] = 0.0f;
        __syncthreads();
        if (lane == 0) atomicAdd(parts, mine);
        __syncthreads();
        const float sum = parts[0];
        __syncthreads();
        return sum;`,
  }[combine];
}
