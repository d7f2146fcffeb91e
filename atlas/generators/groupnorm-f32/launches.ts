import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  channelLines,
  constants,
  count,
  lanes,
  mapVector,
  shape,
  spread,
  totals,
  totalStyles,
  vector,
  type Shape,
} from "./fragments.ts";

const sumsOf = (state: string, width: number): string =>
  lanes(width)
    .map((lane) => `${state}.x += v${lane};\n${state}.y = fmaf(v${lane}, v${lane}, ${state}.y);`)
    .join("\n");

/** Statistics of parts of each group, combined by the launch that writes. */
export const splitGroups: Template = template({
  id: "split-groups",
  from: "sum-and-squares",
  idea: "Split every group over several blocks whose partial sums go through scratch.",
  options: {
    splits: [8, 4, 16, 2],
    combine: ["writer", "launch", "writer-warp"],
    width: [4, 1],
    block: [256, 128, 512],
    totals: totalStyles,
    form: ["folded", "plain"],
    writer: ["parts", "flat"],
    reverse: [true, false],
    streamed: [false, true],
  },
  valid: ({ writer, combine, splits, width, block }) =>
    (writer === "parts" || combine === "launch") && 32768 / splits / width >= block,
  count: 29,
  write: ({ splits, combine, width, block, totals: total, form, writer, reverse, streamed }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const part = given.length / width / splits;
    const final = 2 * splits * given.all;
    const moments = `
      ${combinedParts(combine, final)}
      const float mean = a / ${count(given)};
      ${spread(form, `b / ${count(given)} - mean * mean`)}`;
    const turned = reverse ? `(${given.all * splits - 1} - (int)blockIdx.x)` : "(int)blockIdx.x";
    const parts = `
      const int piece = ${turned};
      const int group = piece / SPLITS;
      ${moments}
      const int offset = piece % SPLITS * PART;
      for (int j = threadIdx.x; j < PART; j += BLOCK) {
        const size_t i = (size_t)group * LENGTH + offset + j;
        const int c = group % GROUPS * CHANNELS + (offset + j) / PLANE;
        ${channelLines(form, "c")}
        ${mapVector(form, width, "x[i]", "y[i]", streamed)}
      }`;
    const flat = `
      const int i = ${reverse ? "(gridDim.x - 1 - blockIdx.x)" : "blockIdx.x"} * BLOCK + threadIdx.x;
      const int group = i / LENGTH;
      ${moments}
      const int c = i / PLANE % (GROUPS * CHANNELS);
      ${channelLines(form, "c")}
      ${mapVector(form, width, "x[i]", "y[i]", streamed)}`;
    const source = `
      ${constants("define", given, width, block)}
      #define SPLITS ${splits}
      #define PART ${part}

      ${totals(total, true)}
      extern "C" __global__ void part_sums(const ${type}* __restrict__ x, float* __restrict__ stats) {
        const ${type}* in = x + (size_t)blockIdx.x * PART;
        float2 own = make_float2(0.0f, 0.0f);
        for (int j = threadIdx.x; j < PART; j += BLOCK) {
          const ${type} v = in[j];
          ${sumsOf("own", width)}
        }
        own = team_total(own);
        if (threadIdx.x == 0) {
          stats[2 * blockIdx.x] = own.x;
          stats[2 * blockIdx.x + 1] = own.y;
        }
      }

      ${on(combine === "launch", addParts(final))}
      extern "C" __global__ void write_parts(const ${type}* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
          const float* __restrict__ stats, ${type}* __restrict__ y) {
        ${writer === "flat" ? flat : parts}
      }
    `;
    const launches = [
      launch("part_sums", given.all * splits, block, ["x", "stats"]),
      ...(combine === "launch" ? [launch("add_parts", given.all / 64, 64, ["stats"])] : []),
      launch(
        "write_parts",
        writer === "flat" ? (given.all * given.length) / width / block : given.all * splits,
        block,
        ["x", "gamma", "beta", "stats", "y"],
      ),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Sums of a group by atomic additions. */
export const atomics: Template = template({
  id: "atomic-sums",
  from: "split-groups",
  idea: "Add the sums of all blocks to two numbers per group with atomic additions.",
  options: {
    level: ["block", "warp", "thread"],
    chunk: [8192, 4096, 16384, 2048],
    width: [4, 1],
    block: [256, 128],
    totals: ["every-warp", "first-warp", "tree"],
    form: ["plain", "folded"],
    walk: ["element", "stride"],
    packed: [true, false],
    streamed: [false, true],
  },
  count: 29,
  write: ({ level, chunk, width, block, totals: total, form, walk, packed, streamed }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const elements = (given.all * given.length) / width;
    const [sumAt, squareAt] = packed
      ? ["stats[2 * group]", "stats[2 * group + 1]"]
      : ["stats[group]", `stats[${given.all} + group]`];
    const send = `atomicAdd(&${sumAt}, own.x);\natomicAdd(&${squareAt}, own.y);`;
    const finish = {
      block: `own = team_total(own);\nif (threadIdx.x == 0) {\n${send}\n}`,
      warp: `
        for (int d = 16; d > 0; d >>= 1) {
          own.x += __shfl_down_sync(0xffffffffu, own.x, d);
          own.y += __shfl_down_sync(0xffffffffu, own.y, d);
        }
        if (threadIdx.x % 32 == 0) {
          ${send}
        }`,
      thread: send,
    }[level];
    const body = `
      const int group = i / LENGTH;
      const int c = i / PLANE % (GROUPS * CHANNELS);
      const float mean = ${sumAt} / ${count(given)};
      ${spread(form, `${squareAt} / ${count(given)} - mean * mean`)}
      ${channelLines(form, "c")}
      ${mapVector(form, width, "x[i]", "y[i]", streamed)}`;
    const source = `
      ${constants("constexpr", given, width, block)}
      constexpr int CHUNK = ${chunk / width};

      ${on(level === "block", totals(total, true))}
      extern "C" __global__ void clear_sums(float* stats, int count) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) stats[i] = 0.0f;
      }

      extern "C" __global__ void add_sums(const ${type}* __restrict__ x, float* stats) {
        const ${type}* in = x + (size_t)blockIdx.x * CHUNK;
        const int group = blockIdx.x / (LENGTH / CHUNK);
        float2 own = make_float2(0.0f, 0.0f);
        for (int j = threadIdx.x; j < CHUNK; j += BLOCK) {
          const ${type} v = in[j];
          ${sumsOf("own", width)}
        }
        ${finish}
      }

      extern "C" __global__ void write_normalised(const ${type}* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
          const float* __restrict__ stats, ${type}* __restrict__ y, int count) {
        ${walk === "stride" ? "for (int i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {" : "const int i = blockIdx.x * BLOCK + threadIdx.x;\nif (i < count) {"}
          ${body}
        }
      }
    `;
    const launches = [
      launch("clear_sums", (2 * given.all) / 256, 256, ["stats", { i32: 2 * given.all }]),
      launch("add_sums", (given.all * given.length) / chunk, block, ["x", "stats"]),
      launch("write_normalised", walk === "stride" ? 132 * 8 : elements / block, block, [
        "x",
        "gamma",
        "beta",
        "stats",
        "y",
        { i32: elements },
      ]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** One block per channel plane; scale and shift per channel are prepared by a launch. */
export const planes: Template = template({
  id: "channel-planes",
  from: "split-groups",
  idea: "Work on channel planes and fold mean, deviation, gamma and beta into one scale and shift per channel.",
  options: {
    fold: ["launch", "writer"],
    width: [4, 1, 2],
    block: [256, 128, 512],
    totals: totalStyles,
    order: ["forwards", "backwards"],
    layout: ["pairs", "halves"],
    planesPerBlock: [1, 2, 4],
    unroll: [false, true],
    streamed: [false, true],
  },
  count: 29,
  write: ({ fold, width, block, totals: total, order, layout, planesPerBlock, unroll, streamed }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const all = given.samples * given.channels;
    const [scaleAt, shiftAt] =
      layout === "pairs" ? ["affine[2 * #]", "affine[2 * # + 1]"] : ["affine[#]", `affine[${all} + #]`];
    const at = (place: string, index: string): string => place.replace("#", index);
    const pragma = on(unroll, "#pragma unroll 4");
    const folding = (channel: string, plane: string): string => foldedPlane(given, channel, plane);
    const prepared = fold === "launch";
    const writerHead = prepared
      ? `const float scale = ${at(scaleAt, "plane")};\nconst float shift = ${at(shiftAt, "plane")};`
      : folding(`plane % ${given.channels}`, "plane");
    const number = order === "backwards" ? "gridDim.x - 1 - blockIdx.x" : "blockIdx.x";
    const several = planesPerBlock > 1;
    const overPlanes = (body: string, start: string): string =>
      several
        ? `for (int p = 0; p < ${planesPerBlock}; ++p) {\nconst int plane = (${start}) * ${planesPerBlock} + p;\n${body}\n}`
        : `const int plane = ${start};\n${body}`;
    const source = `
      ${constants("define", given, width, block)}

      ${totals(total, true)}
      extern "C" __global__ void plane_sums(const ${type}* __restrict__ x, float* __restrict__ stats) {
        ${overPlanes(
          `
          float2 own = make_float2(0.0f, 0.0f);
          ${pragma}
          for (int j = threadIdx.x; j < PLANE; j += BLOCK) {
            const ${type} v = x[(size_t)plane * PLANE + j];
            ${sumsOf("own", width)}
          }
          own = team_total(own);
          if (threadIdx.x == 0) {
            stats[2 * plane] = own.x;
            stats[2 * plane + 1] = own.y;
          }`,
          "blockIdx.x",
        )}
      }

      ${on(
        prepared,
        `
        extern "C" __global__ void fold_affine(const float* __restrict__ stats, const float* __restrict__ gamma, const float* __restrict__ beta,
            float* __restrict__ affine) {
          const int n = blockIdx.x * blockDim.x + threadIdx.x;
          ${folding(`n % ${given.channels}`, "n")}
          ${at(scaleAt, "n")} = scale;
          ${at(shiftAt, "n")} = shift;
        }
      `,
      )}
      extern "C" __global__ void write_planes(const ${type}* __restrict__ x, const float* __restrict__ ${prepared ? "affine" : "stats"},
          ${on(!prepared, "const float* __restrict__ gamma, const float* __restrict__ beta, ")}${type}* __restrict__ y) {
        ${overPlanes(
          `
          ${writerHead}
          ${pragma}
          for (int j = threadIdx.x; j < PLANE; j += BLOCK) {
            const size_t i = (size_t)plane * PLANE + j;
            ${type} r = x[i];
            ${lanes(width)
              .map((lane) => `r${lane} = fmaf(r${lane}, scale, shift);`)
              .join("\n")}
            ${streamed ? "__stcs(y + i, r);" : "y[i] = r;"}
          }`,
          number,
        )}
      }
    `;
    const grid = all / planesPerBlock;
    const launches = [
      launch("plane_sums", grid, block, ["x", "stats"]),
      ...(prepared ? [launch("fold_affine", all / 128, 128, ["stats", "gamma", "beta", "affine"])] : []),
      launch("write_planes", grid, block, prepared ? ["x", "affine", "y"] : ["x", "stats", "gamma", "beta", "y"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Declares the sums `a` and `b` of the group from those of its parts. */
function combinedParts(combine: "writer" | "launch" | "writer-warp", final: number): string {
  return {
    writer: `
        float a = 0.0f, b = 0.0f;
        for (int s = 0; s < SPLITS; ++s) {
          a += stats[2 * (group * SPLITS + s)];
          b += stats[2 * (group * SPLITS + s) + 1];
        }`,
    "writer-warp": `
        const int s = threadIdx.x % 32;
        float a = s < SPLITS ? stats[2 * (group * SPLITS + s)] : 0.0f;
        float b = s < SPLITS ? stats[2 * (group * SPLITS + s) + 1] : 0.0f;
        for (int d = 16; d > 0; d >>= 1) {
          a += __shfl_xor_sync(0xffffffffu, a, d);
          b += __shfl_xor_sync(0xffffffffu, b, d);
        }`,
    launch: `
        const float a = stats[${final} + 2 * group];
        const float b = stats[${final} + 2 * group + 1];`,
  }[combine];
}

function addParts(final: number): string {
  return `
        extern "C" __global__ void add_parts(float* stats) {
          const int group = blockIdx.x * blockDim.x + threadIdx.x;
          float a = 0.0f, b = 0.0f;
          for (int s = 0; s < SPLITS; ++s) {
            a += stats[2 * (group * SPLITS + s)];
            b += stats[2 * (group * SPLITS + s) + 1];
          }
          stats[${final} + 2 * group] = a;
          stats[${final} + 2 * group + 1] = b;
        }
      `;
}

/** Declares `scale` and `shift` of a plane from the sums of its group's planes. */
function foldedPlane(given: Shape, channel: string, plane: string): string {
  return `
      const int first = ${plane} / CHANNELS * CHANNELS;
      float a = 0.0f, b = 0.0f;
      for (int c = 0; c < CHANNELS; ++c) {
        a += stats[2 * (first + c)];
        b += stats[2 * (first + c) + 1];
      }
      const float mean = a / ${count(given)};
      const float scale = gamma[${channel}] * rsqrtf(b / ${count(given)} - mean * mean + 1.0e-5f);
      const float shift = fmaf(-mean, scale, beta[${channel}]);`;
}
