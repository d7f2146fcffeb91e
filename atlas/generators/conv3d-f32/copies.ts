import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  argumentsOf,
  constantsOf,
  packKernel,
  packLaunches,
  parameters,
  stageWeights,
  volumeOf,
  weightAt,
  type WeightHome,
} from "./base.ts";

const rearrangements = {
  "by-voxel": `
    extern "C" __global__ void interleave(const float* __restrict__ x, float4* __restrict__ volume) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= D * H * W) return;
      volume[i] = make_float4(x[i], x[D * H * W + i], x[2 * D * H * W + i], x[3 * D * H * W + i]);
    }`,
  "by-value": `
    extern "C" __global__ void interleave(const float* __restrict__ x, float* __restrict__ volume) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < CIN * D * H * W) volume[i] = x[i % CIN * D * H * W + i / CIN];
    }`,
  "by-quad": `
    extern "C" __global__ void interleave(const float4* __restrict__ x, float4* __restrict__ volume) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int count = D * H * W / 4;
      if (i >= count) return;
      const float4 a = x[i], b = x[count + i], c = x[2 * count + i], e = x[3 * count + i];
      volume[4 * i] = make_float4(a.x, b.x, c.x, e.x);
      volume[4 * i + 1] = make_float4(a.y, b.y, c.y, e.y);
      volume[4 * i + 2] = make_float4(a.z, b.z, c.z, e.z);
      volume[4 * i + 3] = make_float4(a.w, b.w, c.w, e.w);
    }`,
};

/** Adds a filter's products of four channels at once. */
const wholeDots = `
        const float4 a = filters[(k * 3 + e) * COUT + f0 + f];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) sum[f][p] += a.x * v[p + e].x + a.y * v[p + e].y + a.z * v[p + e].z + a.w * v[p + e].w;`;

/** The same, one channel after the other. */
function channelDots(home: WeightHome): string {
  return ["x", "y", "z", "w"]
    .map(
      (part, c) => `{
        const float a = ${weightAt(home, "f0 + f", String(c), "(k * 3 + e)")};
        #pragma unroll
        for (int p = 0; p < RUN; ++p) sum[f][p] += a * v[p + e].${part};
      }`,
    )
    .join("\n");
}

/** The four channels of a voxel side by side. */
export const channelsLast: Template = template({
  id: "channels-last",
  from: "filter-group",
  idea: "Rearrange the volume so that a voxel's four channels are one float4 and compute from those.",
  options: {
    rearrange: ["by-voxel", "by-value", "by-quad"],
    weights: ["shared", "packed", "vectors"],
    run: ["one", "two", "four"],
    guard: ["select", "skip-rows"],
    load: ["plain", "__ldg"],
    unroll: ["all", "planes"],
    macros: [false, true],
    group: [8, 4],
    threads: [128, 256, 64],
  },
  count: 27,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cin, cout, d, h, w } = volume;
    const run = { one: 1, two: 2, four: 4 }[o.run];
    const vectors = o.weights === "vectors";
    const home = o.weights === "packed" ? "packed" : "shared";
    const staged = vectors
      ? `
        __shared__ float4 filters[27 * COUT];
        for (int i = threadIdx.x; i < 27 * COUT; i += blockDim.x) {
          const float* from = weight + i % COUT * CIN * 27 + i / COUT;
          filters[i] = make_float4(from[0], from[27], from[54], from[81]);
        }
        __syncthreads();`
      : stageWeights(home, "threadIdx.x", "blockDim.x");
    const get = (place: string): string => (o.load === "plain" ? place : `__ldg(&${place})`);
    const test = "zz >= 0 && zz < D && yy >= 0 && yy < H";
    const source = `
      ${constantsOf(volume, o.macros)}
      #define RUN ${run}
      #define GROUP ${o.group}
      ${packKernel(home)}
      ${rearrangements[o.rearrange]}

      extern "C" __global__ void convolve(const float4* __restrict__ volume, const float* __restrict__ ${home === "packed" ? "packed" : "weight"}, float* __restrict__ out) {
        ${staged}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int x0 = i % (W / RUN) * RUN;
        const int y = i / (W / RUN) % H;
        const int z = i / (W / RUN * H);
        const int f0 = blockIdx.y * GROUP;
        if (z >= D) return;
        float sum[GROUP][RUN] = {};
        #pragma unroll${on(o.unroll === "planes", " 3")}
        for (int k = 0; k < 9; ++k) {
          const int zz = z + k / 3 - 1;
          const int yy = y + k % 3 - 1;
          ${o.guard === "select" ? `const bool live = ${test};` : `if (!(${test})) continue;`}
          const int line = (zz * H + yy) * W;
          float4 v[RUN + 2];
          #pragma unroll
          for (int s = 0; s < RUN + 2; ++s) {
            const int xx = x0 + s - 1;
            v[s] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (${on(o.guard === "select", "live && ")}xx >= 0 && xx < W) v[s] = ${get("volume[line + xx]")};
          }
          #pragma unroll
          for (int e = 0; e < 3; ++e)
            #pragma unroll
            for (int f = 0; f < GROUP; ++f) {
              ${vectors ? wholeDots : channelDots(home)}
            }
        }
        #pragma unroll
        for (int f = 0; f < GROUP; ++f)
          #pragma unroll
          for (int p = 0; p < RUN; ++p) out[(((f0 + f) * D + z) * H + y) * W + x0 + p] = sum[f][p];
      }
    `;
    const voxels = d * h * w;
    const items = { "by-voxel": voxels, "by-value": cin * voxels, "by-quad": voxels / 4 }[o.rearrange];
    return styled(
      {
        source,
        launches: [
          ...packLaunches(home, volume),
          launch("interleave", Math.ceil(items / 256), 256, ["x", "volume"]),
          launch(
            "convolve",
            [Math.ceil(voxels / run / o.threads), cout / o.group],
            o.threads,
            argumentsOf(home, "volume"),
          ),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});

const padders = {
  "by-value": `
    extern "C" __global__ void pad_volume(const float* __restrict__ x, float* __restrict__ volume) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int slab = blockIdx.y;
      if (i >= PH * PW) return;
      const int z = slab % (D + 2) - 1;
      const int y = i / PW - 1;
      const int q = i % PW - 4;
      const bool inside = z >= 0 && z < D && y >= 0 && y < H && q >= 0 && q < W;
      volume[slab * PH * PW + i] = inside ? x[((slab / (D + 2) * D + z) * H + y) * W + q] : 0.0f;
    }`,
  "by-quad": `
    extern "C" __global__ void pad_volume(const float4* __restrict__ x, float4* __restrict__ volume) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int slab = blockIdx.y;
      if (i >= PH * PW / 4) return;
      const int z = slab % (D + 2) - 1;
      const int y = i / (PW / 4) - 1;
      const int q = i % (PW / 4) - 1;
      float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (z >= 0 && z < D && y >= 0 && y < H && q >= 0 && q < W / 4) {
        four = x[((slab / (D + 2) * D + z) * H + y) * (W / 4) + q];
      }
      volume[slab * PH * PW / 4 + i] = four;
    }`,
};

/** A padded copy of the volume first. */
export const paddedVolume: Template = template({
  id: "padded-volume",
  from: "run-block",
  idea: "Copy the volume into scratch with a rim of zeros, so that the convolution needs no tests.",
  options: {
    pad: ["by-value", "by-quad"],
    fetch: ["scalars", "vectors"],
    weights: ["shared", "packed", "ldg"],
    unroll: ["channels", "rows", "none"],
    store: ["scalars", "streamed"],
    bounds: [false, true],
    macros: [true, false],
    run: [4, 8],
    group: [8, 4, 2],
    threads: [128, 96, 192],
  },
  count: 25,
  write: (o, sizes) => {
    const volume = volumeOf(sizes);
    const { cin, cout, d, h, w } = volume;
    const load =
      o.fetch === "scalars"
        ? `
          #pragma unroll
          for (int s = 0; s < RUN + 2; ++s) v[s] = line[s + 3];`
        : `
          v[0] = line[3];
          #pragma unroll
          for (int s = 0; s < RUN; s += 4) {
            const float4 q = *reinterpret_cast<const float4*>(line + 4 + s);
            v[s + 1] = q.x;
            v[s + 2] = q.y;
            v[s + 3] = q.z;
            v[s + 4] = q.w;
          }
          v[RUN + 1] = line[RUN + 4];`;
    const source = `
      ${constantsOf(volume, o.macros)}
      #define PH (H + 2)
      #define PW (W + 8)
      #define RUN ${o.run}
      #define GROUP ${o.group}
      ${packKernel(o.weights)}
      ${padders[o.pad]}

      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.threads}) `)}convolve(${parameters(o.weights, true, "volume")}) {
        ${stageWeights(o.weights, "threadIdx.x", "blockDim.x")}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int x0 = i % (W / RUN) * RUN;
        const int y = i / (W / RUN) % H;
        const int z = i / (W / RUN * H);
        const int f0 = blockIdx.y * GROUP;
        if (z >= D) return;
        float sum[GROUP][RUN] = {};
        ${o.unroll === "channels" ? "#pragma unroll" : "#pragma unroll 1"}
        for (int c = 0; c < CIN; ++c) {
          ${o.unroll === "none" ? "#pragma unroll 1" : "#pragma unroll"}
          for (int k = 0; k < 9; ++k) {
            const float* line = volume + ((c * (D + 2) + z + k / 3) * PH + y + k % 3) * PW + x0;
            float v[RUN + 2];
            ${load}
            #pragma unroll
            for (int e = 0; e < 3; ++e)
              #pragma unroll
              for (int f = 0; f < GROUP; ++f) {
                const float a = ${weightAt(o.weights, "f0 + f", "c", "(k * 3 + e)")};
                #pragma unroll
                for (int p = 0; p < RUN; ++p) sum[f][p] = fmaf(a, v[p + e], sum[f][p]);
              }
          }
        }
        #pragma unroll
        for (int f = 0; f < GROUP; ++f) {
          float4* to = reinterpret_cast<float4*>(out + (((f0 + f) * D + z) * H + y) * W + x0);
          #pragma unroll
          for (int p = 0; p < RUN / 4; ++p) {
            const float4 four = make_float4(sum[f][4 * p], sum[f][4 * p + 1], sum[f][4 * p + 2], sum[f][4 * p + 3]);
            ${o.store === "streamed" ? "__stcs(to + p, four);" : "to[p] = four;"}
          }
        }
      }
    `;
    const cells = (h + 2) * (w + 8);
    const padding = launch("pad_volume", [Math.ceil(cells / (o.pad === "by-quad" ? 4 : 1) / 256), cin * (d + 2)], 256, [
      "x",
      "volume",
    ]);
    const main = launch(
      "convolve",
      [Math.ceil((d * h * w) / o.run / o.threads), cout / o.group],
      o.threads,
      argumentsOf(o.weights, "volume"),
    );
    return styled(
      { source, launches: [...packLaunches(o.weights, volume), padding, main] },
      { names: "snake", indent: 4 },
    );
  },
});
