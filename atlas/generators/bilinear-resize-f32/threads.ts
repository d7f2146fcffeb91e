import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  coordinate,
  declareFrames,
  framesOf,
  give,
  mix,
  phases,
  take,
  type Coordinate,
  type Load,
  type Mix,
  type Store,
} from "./axes.ts";

/** The value of one channel from four pixels whose offsets are given. */
function blend(how: Mix | "products", load: Load, channel: string): string {
  const corner = (y: string, x: string): string => take(load, `x[(row_${y} + ${x}_x) * 3 + ${channel}]`);
  const four = `
    const float a = ${corner("lo", "lo")}, b = ${corner("lo", "hi")};
    const float c = ${corner("hi", "lo")}, d = ${corner("hi", "hi")};`;
  if (how === "products") {
    return `${four}
      const float value = (1.0f - part_y) * ((1.0f - part_x) * a + part_x * b) + part_y * ((1.0f - part_x) * c + part_x * d);`;
  }
  return `${four}
    const float above = ${mix(how, "a", "b", "part_x")};
    const float below = ${mix(how, "c", "d", "part_x")};
    const float value = ${mix(how, "above", "below", "part_y")};`;
}

const rows = "const int row_lo = (image * IN_H + lo_y) * IN_W, row_hi = (image * IN_H + hi_y) * IN_W;";

/** One output float per thread: neighbouring lanes are channels and pixels. */
export const valueThread: Template = template({
  id: "value-thread",
  from: null,
  idea: "One thread per output value with lanes along the interleaved row.",
  options: {
    places: ["flat", "row-grid", "two-dimensional"],
    coordinates: ["quotient", "scale", "integers", "fused", "double"],
    blend: ["difference", "weights", "fused", "products"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    restrict: [false, true],
    declared: ["define", "constexpr", "static"],
    threads: [256, 128, 512],
  },
  count: 25,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const mark = on(o.restrict, " __restrict__");
    const locate = {
      flat: `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= N * OUT_H * OUT_W * 3) return;
        const int k = i % 3;
        const int ox = i / 3 % OUT_W;
        const int oy = i / (3 * OUT_W) % OUT_H;
        const int image = i / (3 * OUT_W * OUT_H);`,
      "row-grid": `
        const int within = blockIdx.x * blockDim.x + threadIdx.x;
        if (within >= OUT_W * 3) return;
        const int ox = within / 3;
        const int k = within - 3 * ox;
        const int oy = blockIdx.y % OUT_H;
        const int image = blockIdx.y / OUT_H;`,
      "two-dimensional": `
        const int within = blockIdx.x * 32 + threadIdx.x;
        const int line = blockIdx.y * blockDim.y + threadIdx.y;
        if (within >= OUT_W * 3 || line >= N * OUT_H) return;
        const int ox = within / 3;
        const int k = within % 3;
        const int oy = line % OUT_H;
        const int image = line / OUT_H;`,
    }[o.places];
    const source = `
      ${declareFrames(frames, o.declared)}

      extern "C" __global__ void resize(const float*${mark} x, float*${mark} out) {
        ${locate}
        ${coordinate(o.coordinates, "oy", "y")}
        ${coordinate(o.coordinates, "ox", "x")}
        ${rows}
        ${blend(o.blend, o.load, "k")}
        ${give(o.store, "out[((image * OUT_H + oy) * OUT_W + ox) * 3 + k]", "value")}
      }
    `;
    const { n, ho, wo } = frames;
    const entry = {
      flat: launch("resize", Math.ceil((n * ho * wo * 3) / o.threads), o.threads, ["x", "out"]),
      "row-grid": launch("resize", [Math.ceil((wo * 3) / o.threads), n * ho], o.threads, ["x", "out"]),
      "two-dimensional": launch(
        "resize",
        [Math.ceil((wo * 3) / 32), Math.ceil((n * ho) / (o.threads / 32))],
        [32, o.threads / 32],
        ["x", "out"],
      ),
    }[o.places];
    return styled({ source, launches: [entry] }, { names: "snake", indent: 2 });
  },
});

/** One pixel per thread. */
export const pixelThread: Template = template({
  id: "pixel-thread",
  from: "value-thread",
  idea: "Compute the coordinates once per pixel and loop over its channels.",
  options: {
    lanes: ["along-row", "square", "down-column"],
    coordinates: ["scale", "integers", "fused", "double", "quotient"],
    blend: ["fused", "difference", "weights", "products"],
    channels: ["loop", "unrolled", "struct"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    declared: ["constexpr", "define", "static"],
    block: [256, 128, 64],
  },
  valid: ({ channels, load, store }) => channels !== "struct" || (load === "plain" && store === "plain"),
  count: 26,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const [bx, by] = { "along-row": [o.block, 1], square: [16, o.block / 16], "down-column": [2, o.block / 2] }[
      o.lanes
    ] as [number, number];
    const struct = o.channels === "struct";
    const body = struct
      ? `
        const float3* pixels = reinterpret_cast<const float3*>(x);
        const float3 a = pixels[row_lo + lo_x], b = pixels[row_lo + hi_x];
        const float3 c = pixels[row_hi + lo_x], d = pixels[row_hi + hi_x];
        float3 result;
        ${["x", "y", "z"]
          .map((part) => {
            const how: Mix = o.blend === "products" ? "weights" : o.blend;
            return `{
              const float above = ${mix(how, `a.${part}`, `b.${part}`, "part_x")};
              const float below = ${mix(how, `c.${part}`, `d.${part}`, "part_x")};
              result.${part} = ${mix(how, "above", "below", "part_y")};
            }`;
          })
          .join("\n")}
        reinterpret_cast<float3*>(out)[(image * OUT_H + oy) * OUT_W + ox] = result;`
      : `
        float* to = out + ((image * OUT_H + oy) * OUT_W + ox) * 3;
        ${o.channels === "unrolled" ? "#pragma unroll" : "#pragma unroll 1"}
        for (int k = 0; k < 3; ++k) {
          ${blend(o.blend, o.load, "k")}
          ${give(o.store, "to[k]", "value")}
        }`;
    const source = `
      ${declareFrames(frames, o.declared)}

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        const int ox = blockIdx.x * blockDim.x + threadIdx.x;
        const int line = blockIdx.y * blockDim.y + threadIdx.y;
        if (ox >= OUT_W || line >= N * OUT_H) return;
        const int oy = line % OUT_H;
        const int image = line / OUT_H;
        ${coordinate(o.coordinates, "oy", "y")}
        ${coordinate(o.coordinates, "ox", "x")}
        ${rows}
        ${body}
      }
    `;
    return styled(
      { source, launches: [launch("resize", [Math.ceil(wo / bx), Math.ceil((n * ho) / by)], [bx, by], ["x", "out"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Coordinates from tables that an earlier launch writes. */
export const tableThread: Template = template({
  id: "table-thread",
  from: "value-thread",
  idea: "Write tables of indices and fractions in a small launch first and look the coordinates up.",
  options: {
    unit: ["value", "pixel", "four-values"],
    tables: ["both", "columns-only"],
    made: ["scale", "integers", "quotient"],
    blend: ["difference", "weights", "fused", "products"],
    load: ["plain", "__ldg"],
    look: ["plain", "__ldg"],
    declared: ["define", "constexpr"],
    threads: [256, 128, 512],
  },
  count: 26,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const look = (place: string): string => take(o.look, place);
    const column = (ox: string): string => `
      const int lo_x = ${look(`places[OUT_H + ${ox}]`)};
      const int hi_x = ${look(`places[OUT_H + OUT_W + OUT_H + ${ox}]`)};
      const float part_x = ${look(`fractions[OUT_H + ${ox}]`)};`;
    const row =
      o.tables === "both"
        ? `
          const int lo_y = ${look("places[oy]")};
          const int hi_y = ${look("places[OUT_H + OUT_W + oy]")};
          const float part_y = ${look("fractions[oy]")};`
        : coordinate("scale", "oy", "y");
    const body = {
      value: `
        if (i >= OUT_W * 3) return;
        const int ox = i / 3;
        ${column("ox")}
        ${blend(o.blend, o.load, "(i % 3)")}
        to[i] = value;`,
      pixel: `
        if (i >= OUT_W) return;
        ${column("i")}
        #pragma unroll
        for (int k = 0; k < 3; ++k) {
          ${blend(o.blend, o.load, "k")}
          to[3 * i + k] = value;
        }`,
      "four-values": `
        if (i >= OUT_W * 3 / 4) return;
        float result[4];
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int ox = (4 * i + j) / 3;
          ${column("ox")}
          ${blend(o.blend, o.load, "(4 * i + j) % 3")}
          result[j] = value;
        }
        reinterpret_cast<float4*>(to)[i] = make_float4(result[0], result[1], result[2], result[3]);`,
    }[o.unit];
    const source = `
      ${declareFrames(frames, o.declared)}

      extern "C" __global__ void make_tables(int* places, float* fractions) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < OUT_H) {
          ${coordinate(o.made, "i", "y")}
          places[i] = lo_y;
          places[OUT_H + OUT_W + i] = hi_y;
          fractions[i] = part_y;
        } else if (i < OUT_H + OUT_W) {
          ${coordinate(o.made, "i - OUT_H", "x")}
          places[i] = lo_x;
          places[OUT_H + OUT_W + i] = hi_x;
          fractions[i] = part_x;
        }
      }

      extern "C" __global__ void resize(const float* __restrict__ x, const int* __restrict__ places, const float* __restrict__ fractions, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int oy = blockIdx.y % OUT_H;
        const int image = blockIdx.y / OUT_H;
        float* to = out + blockIdx.y * OUT_W * 3;
        ${row}
        ${rows}
        ${body}
      }
    `;
    const items = { value: wo * 3, pixel: wo, "four-values": (wo * 3) / 4 }[o.unit];
    const launches = [
      launch("make_tables", Math.ceil((ho + wo) / 128), 128, ["places", "fractions"]),
      launch("resize", [Math.ceil(items / o.threads), n * ho], o.threads, ["x", "places", "fractions", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

interface Descent {
  readonly coordinates: Coordinate;
  readonly mix: Mix;
  readonly store: Store;
  readonly ahead: boolean;
}

const each = (line: (k: string) => string): string => `#pragma unroll\nfor (int k = 0; k < CHANNELS; ++k) ${line("k")}`;

/** Goes down by coordinates: a row is fetched when the upper index moves. */
function compareRows(o: Descent): string {
  return `
    int held = -2;
    for (int oy = first; oy < last; ++oy) {
      ${coordinate(o.coordinates, "oy", "y")}
      if (lo_y != held) {
        if (lo_y == held + 1) {
          ${each((k) => `upper[${k}] = lower[${k}];`)}
        } else {
          along_row(frame, lo_y, lo_x, hi_x, part_x, first_channel, upper);
        }
        along_row(frame, hi_y, lo_x, hi_x, part_x, first_channel, lower);
        held = lo_y;
      }
      float* to = target + oy * OUT_W * 3;
      ${each((k) => give(o.store, `to[${k}]`, mix(o.mix, `upper[${k}]`, `lower[${k}]`, "part_y")))}
    }`;
}

/** Goes down in fours: output rows 4 m … 4 m + 3 lie between input rows 3 m - 1 … 3 m + 3. */
function fourRows(o: Descent): string {
  const fetch = (row: string, into: string): string =>
    `along_row(frame, min(max(${row}, 0), IN_H - 1), lo_x, hi_x, part_x, first_channel, ${into});`;
  const quarter = (j: number): string => `
    {
      ${on(
        o.ahead,
        each((k) => `lower[${k}] = coming[${k}];`),
      )}
      ${o.ahead ? on(j < 3, fetch(`row + ${j + 1}`, "coming")) : on(j > 0, fetch(`row + ${j}`, "lower"))}
      float* to = target + (oy + ${j}) * OUT_W * 3;
      ${each((k) => give(o.store, `to[${k}]`, mix(o.mix, `upper[${k}]`, `lower[${k}]`, phases[j] as string)))}
      ${on(
        j < 3,
        each((k) => `upper[${k}] = lower[${k}];`),
      )}
    }`;
  return `
    // four output rows lie between five input rows; the last two of them begin the next four
    ${fetch("first / 4 * 3 - 1", "upper")}
    ${on(o.ahead, "float coming[CHANNELS];")}
    ${fetch("first / 4 * 3", o.ahead ? "coming" : "lower")}
    for (int oy = first; oy < last; oy += 4) {
      const int row = oy / 4 * 3;
      ${repeat(4, quarter)}
    }`;
}

/** A column of outputs per thread that keeps the rows interpolated along x. */
export const downThread: Template = template({
  id: "down-thread",
  from: "value-thread",
  idea: "Go down the output with the two input rows, interpolated along x, in registers and fetch a row only when it changes.",
  options: {
    unit: ["value", "pixel"],
    step: ["compare", "quarters"],
    coordinates: ["scale", "integers", "fused"],
    mix: ["difference", "fused", "weights"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    ahead: [false, true],
    declared: ["constexpr", "define"],
    depth: [32, 64, 16, 128],
    threads: [256, 128, 64],
  },
  valid: ({ ahead, step }) => !ahead || step === "quarters",
  count: 27,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const channels = o.unit === "pixel" ? 3 : 1;
    const get = (column: string): string => take(o.load, `line[3 * ${column} + channel]`);
    const source = `
      ${declareFrames(frames, o.declared)}
      #define CHANNELS ${channels}
      #define DEPTH ${o.depth}

      __device__ __forceinline__ void along_row(const float* frame, int row, int lo_x, int hi_x, float part_x, int first_channel, float (&values)[CHANNELS]) {
        const float* line = frame + row * IN_W * 3;
        #pragma unroll
        for (int k = 0; k < CHANNELS; ++k) {
          const int channel = first_channel + k;
          const float a = ${get("lo_x")};
          const float b = ${get("hi_x")};
          values[k] = ${mix(o.mix, "a", "b", "part_x")};
        }
      }

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= OUT_W * ${3 / channels}) return;
        const int ox = i${on(channels === 1, " / 3")};
        const int first_channel = ${channels === 1 ? "i % 3" : "0"};
        const int image = blockIdx.y / (OUT_H / DEPTH);
        const int first = blockIdx.y % (OUT_H / DEPTH) * DEPTH;
        const int last = first + DEPTH;
        ${coordinate(o.coordinates, "ox", "x")}
        const float* frame = x + image * IN_H * IN_W * 3;
        float* target = out + image * OUT_H * OUT_W * 3 + 3 * ox + first_channel;
        float upper[CHANNELS], lower[CHANNELS];
        ${o.step === "compare" ? compareRows(o) : fourRows(o)}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("resize", [Math.ceil((wo * 3) / channels / o.threads), (n * ho) / o.depth], o.threads, ["x", "out"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});
