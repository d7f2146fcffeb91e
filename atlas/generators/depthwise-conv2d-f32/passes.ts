import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { constants, imagesOf, tapsFrom } from "./parts.ts";

const padKernels = {
  gather: `
    extern "C" __global__ void pad_images(const float* __restrict__ x, float* __restrict__ padded) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int plane = blockIdx.y;
      if (i >= (H + 4) * PW) return;
      const int y = i / PW - 2;
      const int z = i % PW - 4;
      const bool inside = y >= 0 && y < H && z >= 0 && z < W;
      padded[plane * (H + 4) * PW + i] = inside ? x[(plane * H + y) * W + z] : 0.0f;
    }
  `,
  quads: `
    extern "C" __global__ void pad_images(const float4* __restrict__ x, float4* __restrict__ padded) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int plane = blockIdx.y;
      if (i >= (H + 4) * (PW / 4)) return;
      const int y = i / (PW / 4) - 2;
      const int q = i % (PW / 4) - 1;
      float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (y >= 0 && y < H && q >= 0 && q < W / 4) four = x[(plane * H + y) * (W / 4) + q];
      padded[plane * (H + 4) * (PW / 4) + i] = four;
    }
  `,
  "clear-copy": `
    extern "C" __global__ void clear_images(float4* padded) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < (H + 4) * (PW / 4)) padded[blockIdx.y * (H + 4) * (PW / 4) + i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }

    extern "C" __global__ void pad_images(const float* __restrict__ x, float* __restrict__ padded) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= H * W) return;
      padded[(blockIdx.y * (H + 4) + i / W + 2) * PW + 4 + i % W] = x[blockIdx.y * H * W + i];
    }
  `,
};

const paddedWork = (
  work: "pixel" | "strip" | "quad",
  read: (place: string) => string,
  tap: (i: string) => string,
): string => {
  if (work === "quad") {
    return `
      const float4* corner = reinterpret_cast<const float4*>(padded + (plane * (H + 4) + i / (W / 4)) * PW) + i % (W / 4);
      float sum[4] = {};
      #pragma unroll
      for (int r = 0; r < 5; ++r) {
        const float4 l = ${read("corner[r * (PW / 4)]")};
        const float4 m = ${read("corner[r * (PW / 4) + 1]")};
        const float4 e = ${read("corner[r * (PW / 4) + 2]")};
        const float v[8] = {l.z, l.w, m.x, m.y, m.z, m.w, e.x, e.y};
        #pragma unroll
        for (int s = 0; s < 5; ++s)
          #pragma unroll
          for (int p = 0; p < 4; ++p) sum[p] += ${tap("r * 5 + s")} * v[p + s];
      }
      reinterpret_cast<float4*>(out)[plane * (H * W / 4) + i] = make_float4(sum[0], sum[1], sum[2], sum[3]);`;
  }
  if (work === "strip") {
    return `
      const float* corner = padded + (plane * (H + 4) + i / W * 4) * PW + i % W + 2;
      float sum[4] = {};
      #pragma unroll
      for (int a = 0; a < 8; ++a)
        #pragma unroll
        for (int s = 0; s < 5; ++s) {
          const float v = ${read("corner[a * PW + s]")};
          #pragma unroll
          for (int p = 0; p < 4; ++p)
            if (a - p >= 0 && a - p < 5) sum[p] += ${tap("(a - p) * 5 + s")} * v;
        }
      #pragma unroll
      for (int p = 0; p < 4; ++p) out[(plane * H + i / W * 4 + p) * W + i % W] = sum[p];`;
  }
  return `
    const float* corner = padded + (plane * (H + 4) + i / W) * PW + i % W + 2;
    float sum = 0.0f;
    for (int r = 0; r < 5; ++r)
      #pragma unroll
      for (int s = 0; s < 5; ++s) sum += ${tap("r * 5 + s")} * ${read("corner[r * PW + s]")};
    out[plane * H * W + i] = sum;`;
};

/** Padded copies of the images first, then a convolution without bounds. */
export const paddedImages: Template = template({
  id: "padded-images",
  from: "pixel-per-thread",
  idea: "Write the images with a rim of zeros to scratch first, so that the convolution needs no checks.",
  options: {
    pad: ["gather", "quads", "clear-copy"],
    work: ["pixel", "strip", "quad"],
    taps: ["ldg", "registers", "shared"],
    load: ["plain", "__ldg"],
    size: ["constexpr", "define"],
    threads: [256, 128, 448],
  },
  valid: ({ taps, work }) => !(taps === "registers" && work === "pixel"),
  count: 24,
  write: ({ pad, work, taps, load, size, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const read = (place: string): string => (load === "plain" ? place : `${load}(&${place})`);
    const count = { pixel: h * w, strip: (h * w) / 4, quad: (h * w) / 4 }[work];
    const source = `
      ${constants(sizes, size)}
      #define PW (W + 8)

      ${padKernels[pad]}
      extern "C" __global__ void depthwise(const float* __restrict__ padded, const float* __restrict__ weight, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int plane = blockIdx.y;
        ${filter.prepare}
        if (i >= H * W${on(work !== "pixel", " / 4")}) return;
        ${paddedWork(work, read, filter.at)}
      }
    `;
    const cells = (h + 4) * (w + 8);
    const padding = {
      gather: [launch("pad_images", [Math.ceil(cells / 256), planes], 256, ["x", "padded"])],
      quads: [launch("pad_images", [Math.ceil(cells / 4 / 256), planes], 256, ["x", "padded"])],
      "clear-copy": [
        launch("clear_images", [Math.ceil(cells / 4 / 256), planes], 256, ["padded"]),
        launch("pad_images", [Math.ceil((h * w) / 256), planes], 256, ["x", "padded"]),
      ],
    }[pad];
    const main = launch("depthwise", [Math.ceil(count / threads), planes], threads, ["padded", "weight", "out"]);
    return styled({ source, launches: [...padding, main] }, { names: "camel", indent: 2 });
  },
});

/** One launch per row, column or tap of the filter, adding into the output. */
export const tapPasses: Template = template({
  id: "tap-passes",
  from: "pixel-per-thread",
  idea: "Split the filter over several launches, each adding its part to the output.",
  options: {
    part: ["row", "column", "tap"],
    start: ["flag", "clear"],
    vector: [false, true],
    guard: ["select", "branch"],
    load: ["plain", "__ldg"],
    restrict: [false, true],
    threads: [256, 128, 512],
  },
  count: 21,
  write: ({ part, start, vector, guard, load, restrict, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const mark = on(restrict, " __restrict__");
    const step = vector ? 4 : 1;
    const passes = part === "tap" ? 25 : 5;
    const at = { row: ["pass", "t"], column: ["t", "pass"], tap: ["pass / 5", "pass % 5"] }[part];
    const get = load === "plain" ? "image[y * W + z]" : "__ldg(&image[y * W + z])";
    const tap = load === "plain" ? "weight[plane % C * 25 + r * 5 + s]" : "__ldg(weight + plane % C * 25 + r * 5 + s)";
    const line =
      guard === "select"
        ? `sum[p] += (y >= 0 && y < H && z >= 0 && z < W ? ${get} : 0.0f) * ${tap};`
        : `if (y >= 0 && y < H && z >= 0 && z < W) sum[p] += ${get} * ${tap};`;
    const old = vector
      ? "const float4 old = *cell;\nfloat sum[4] = {old.x, old.y, old.z, old.w};"
      : "float sum[1] = {*cell};";
    const type = vector ? "float4" : "float";
    const source = `
      ${constants(sizes, "constexpr")}

      ${on(
        start === "clear",
        `extern "C" __global__ void clear_out(float* out) {
          const int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i < PLANES * H * W) out[i] = 0.0f;
        }
        `,
      )}
      extern "C" __global__ void add_part(const float*${mark} x, const float*${mark} weight, float*${mark} out, int pass) {
        const int i = (blockIdx.x * blockDim.x + threadIdx.x) * ${step};
        if (i >= PLANES * H * W) return;
        const int col = i % W;
        const int row = i / W % H;
        const int plane = i / (H * W);
        const float* image = x + plane * H * W;
        ${type}* cell = reinterpret_cast<${type}*>(out + i);
        ${old}
        ${on(start === "flag", `if (pass == 0) {\nfor (int p = 0; p < ${step}; ++p) sum[p] = 0.0f;\n}`)}
        ${part === "tap" ? "{" : "#pragma unroll\nfor (int t = 0; t < 5; ++t) {"}
          const int r = ${at[0]};
          const int s = ${at[1]};
          const int y = row + r - 2;
          #pragma unroll
          for (int p = 0; p < ${step}; ++p) {
            const int z = col + p + s - 2;
            ${line}
          }
        }
        ${vector ? "*cell = make_float4(sum[0], sum[1], sum[2], sum[3]);" : "*cell = sum[0];"}
      }
    `;
    const total = planes * h * w;
    const launches = Array.from({ length: passes }, (_, pass) =>
      launch("add_part", Math.ceil(total / step / threads), threads, ["x", "weight", "out", { i32: pass }]),
    );
    if (start === "clear") launches.unshift(launch("clear_out", Math.ceil(total / 256), 256, ["out"]));
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
