import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { coordinate, declareFrames, framesOf, give, mix, take } from "./axes.ts";

/** One axis after the other. */
export const axisPasses: Template = template({
  id: "axis-passes",
  from: "value-thread",
  idea: "Interpolate along one axis into scratch and along the other in a second launch.",
  options: {
    first: ["columns", "rows"],
    vector: [false, true],
    along: ["value", "pixel"],
    coordinates: ["scale", "integers", "quotient", "fused"],
    mix: ["difference", "fused", "weights"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    restrict: [true, false],
    declared: ["define", "constexpr"],
    threads: [256, 128, 512],
  },
  count: 25,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, h, w, ho, wo } = frames;
    const mark = on(o.restrict, " __restrict__");
    const downFirst = o.first === "columns";
    const [downWidth, alongHeight] = downFirst ? (["IN_W", "OUT_H"] as const) : (["OUT_W", "IN_H"] as const);
    const parts = o.vector ? [".x", ".y", ".z", ".w"] : [""];
    const type = o.vector ? "float4" : "float";
    const per = o.vector ? 4 : 1;
    const down = `
      extern "C" __global__ void resize_down(const float*${mark} from, float*${mark} to) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int length = ${downWidth} * 3 / ${per};
        if (i >= length) return;
        const int oy = blockIdx.y % OUT_H;
        const int image = blockIdx.y / OUT_H;
        ${coordinate(o.coordinates, "oy", "y")}
        const ${type}* source = reinterpret_cast<const ${type}*>(from) + image * IN_H * length + i;
        const ${type} a = ${take(o.load, "source[lo_y * length]")};
        const ${type} b = ${take(o.load, "source[hi_y * length]")};
        ${type} value;
        ${parts.map((part) => `value${part} = ${mix(o.mix, `a${part}`, `b${part}`, "part_y")};`).join("\n")}
        ${give(o.store, `reinterpret_cast<${type}*>(to)[blockIdx.y * length + i]`, "value")}
      }
    `;
    const one = (ox: string, channel: string, to: string): string => `
      const float a = ${take(o.load, `line[3 * lo_x + ${channel}]`)};
      const float b = ${take(o.load, `line[3 * hi_x + ${channel}]`)};
      ${give(o.store, to, mix(o.mix, "a", "b", "part_x"))}`;
    const along = `
      extern "C" __global__ void resize_along(const float*${mark} from, float*${mark} to) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= OUT_W${on(o.along === "value", " * 3")}) return;
        const float* line = from + blockIdx.y * IN_W * 3;
        ${coordinate(o.coordinates, o.along === "value" ? "i / 3" : "i", "x")}
        ${
          o.along === "value"
            ? one("i / 3", "i % 3", "to[blockIdx.y * OUT_W * 3 + i]")
            : `#pragma unroll\nfor (int k = 0; k < 3; ++k) {\n${one("i", "k", "to[(blockIdx.y * OUT_W + i) * 3 + k]")}\n}`
        }
      }
    `;
    const source = `${declareFrames(frames, o.declared)}\n${down}${along}`;
    const length = ((downFirst ? w : wo) * 3) / per;
    const downLaunch = (from: string, to: string) =>
      launch("resize_down", [Math.ceil(length / o.threads), n * ho], o.threads, [from, to]);
    const alongLaunch = (from: string, to: string) =>
      launch(
        "resize_along",
        [Math.ceil((wo * (o.along === "value" ? 3 : 1)) / o.threads), n * (alongHeight === "OUT_H" ? ho : h)],
        o.threads,
        [from, to],
      );
    const launches = downFirst
      ? [downLaunch("x", "half"), alongLaunch("half", "out")]
      : [alongLaunch("x", "half"), downLaunch("half", "out")];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const separations = {
  "by-pixel": `
    extern "C" __global__ void separate(const float* __restrict__ x, float* __restrict__ planes) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= N * IN_H * IN_W) return;
      for (int k = 0; k < 3; ++k) planes[k * N * IN_H * IN_W + i] = x[3 * i + k];
    }`,
  "by-value": `
    extern "C" __global__ void separate(const float* __restrict__ x, float* __restrict__ planes) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < 3 * N * IN_H * IN_W) planes[i % 3 * N * IN_H * IN_W + i / 3] = x[i];
    }`,
  "by-four": `
    extern "C" __global__ void separate(const float4* __restrict__ x, float4* __restrict__ planes) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int count = N * IN_H * IN_W / 4;
      if (i >= count) return;
      const float4 a = x[3 * i], b = x[3 * i + 1], c = x[3 * i + 2];
      planes[i] = make_float4(a.x, a.w, b.z, c.y);
      planes[count + i] = make_float4(a.y, b.x, b.w, c.z);
      planes[2 * count + i] = make_float4(a.z, b.y, c.x, c.w);
    }`,
};

/** Channels apart first. */
export const separatedChannels: Template = template({
  id: "separated-channels",
  from: "pixel-thread",
  idea: "Separate the channels into planes in scratch first, so that neighbouring lanes read neighbouring values.",
  options: {
    separate: ["by-pixel", "by-value", "by-four"],
    unit: ["pixel", "value", "plane-pixel"],
    coordinates: ["scale", "fused", "integers", "quotient"],
    mix: ["difference", "fused", "weights"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    declared: ["constexpr", "define"],
    threads: [256, 128, 512],
  },
  count: 24,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, h, w, ho, wo } = frames;
    const corner = (row: string, column: string): string => take(o.load, `plane[${row} * IN_W + ${column}]`);
    const body = (channel: string, target: string): string => `
      const float* plane = planes + (${channel} * N + image) * IN_H * IN_W;
      const float a = ${corner("lo_y", "lo_x")}, b = ${corner("lo_y", "hi_x")};
      const float c = ${corner("hi_y", "lo_x")}, d = ${corner("hi_y", "hi_x")};
      const float above = ${mix(o.mix, "a", "b", "part_x")};
      const float below = ${mix(o.mix, "c", "d", "part_x")};
      ${give(o.store, target, mix(o.mix, "above", "below", "part_y"))}`;
    const target = (channel: string): string => `out[(blockIdx.y * OUT_W + ox) * 3 + ${channel}]`;
    const units = {
      pixel: {
        place: "const int ox = i;",
        limit: "OUT_W",
        work: `#pragma unroll\nfor (int k = 0; k < 3; ++k) {\n${body("k", target("k"))}\n}`,
        blocks: [Math.ceil(wo / o.threads), n * ho, 1] as const,
      },
      value: {
        place: "const int ox = i / 3;",
        limit: "OUT_W * 3",
        work: body("(i % 3)", target("i % 3")),
        blocks: [Math.ceil((wo * 3) / o.threads), n * ho, 1] as const,
      },
      "plane-pixel": {
        place: "const int ox = i;\nconst int channel = blockIdx.z;",
        limit: "OUT_W",
        work: body("channel", target("channel")),
        blocks: [Math.ceil(wo / o.threads), n * ho, 3] as const,
      },
    }[o.unit];
    const source = `
      ${declareFrames(frames, o.declared)}
      ${separations[o.separate]}

      extern "C" __global__ void resize(const float* __restrict__ planes, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= ${units.limit}) return;
        ${units.place}
        const int oy = blockIdx.y % OUT_H;
        const int image = blockIdx.y / OUT_H;
        ${coordinate(o.coordinates, "oy", "y")}
        ${coordinate(o.coordinates, "ox", "x")}
        ${units.work}
      }
    `;
    const pixels = n * h * w;
    const items = { "by-pixel": pixels, "by-value": 3 * pixels, "by-four": pixels / 4 }[o.separate];
    const main = { ...launch("resize", 1, o.threads, ["half", "out"]), grid: units.blocks };
    return styled(
      { source, launches: [launch("separate", Math.ceil(items / 256), 256, ["x", "half"]), main] },
      { names: "snake", indent: 2 },
    );
  },
});
