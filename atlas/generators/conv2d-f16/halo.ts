import { launch, on, styled, template } from "../kit/code.ts";
import { drain, fragmentA, fragmentB, multiply, preamble, zeroAccumulators } from "./fragments.ts";

/** Copies the weights of one tap and one stretch of channels. */
function weightCopy(how: string, target: string, step: string): string {
  const to = `&${target}[(e / 16) * 144 + e % 16 * 8]`;
  const from = `weight + ((${step} % 9) * 128 + ${step} / 9 * CHANNELS + e / 16) * 128 + e % 16 * 8`;
  const copy =
    how === "async"
      ? `__pipeline_memcpy_async(${to}, ${from}, 16);`
      : `*reinterpret_cast<uint4*>(${to}) = *reinterpret_cast<const uint4*>(${from});`;
  return `for (int e = threadIdx.x; e < CHANNELS * 16; e += 256) ${copy}`;
}

/** The bodies of the halo kernel by where its weights come from. */
function haloLoop(weights: string, fill: string, compute: string): string {
  if (weights === "global")
    return `for (int chunk = 0; chunk < 128 / CHANNELS; ++chunk) {
    __syncthreads();
    ${fill}
    __syncthreads();
    for (int tap = 0; tap < 9; ++tap) {
      ${compute}
    }
  }`;
  if (weights === "shared")
    return `for (int chunk = 0; chunk < 128 / CHANNELS; ++chunk) {
    for (int tap = 0; tap < 9; ++tap) {
      const int step = chunk * 9 + tap;
      __syncthreads();
      if (tap == 0) {
        ${fill}
      }
      ${weightCopy("plain", "table", "step")}
      __syncthreads();
      ${compute}
    }
  }`;
  return `${weightCopy("async", "table", "0")}
  __pipeline_commit();
  for (int chunk = 0; chunk < 128 / CHANNELS; ++chunk) {
    ${fill}
    for (int tap = 0; tap < 9; ++tap) {
      const int step = chunk * 9 + tap, next = step + 1;
      if (next < 9 * 128 / CHANNELS) {
        half* other = table + (next & 1) * CHANNELS * 144;
        ${weightCopy("async", "other", "next")}
      }
      __pipeline_commit();
      __pipeline_wait_prior(1);
      __syncthreads();
      ${compute}
      __syncthreads();
    }
  }`;
}

/** A tile of x with its halo is staged once for all nine taps. */
export const halo = template({
  id: "halo",
  from: "padded-fragments",
  count: 30,
  idea: "stage a tile of x with its halo in shared memory and take all nine taps' fragments from there",
  options: {
    tile: ["8x16", "2x64", "4x32"],
    weights: ["global", "shared", "async"],
    pad: [16, 0],
    wide: [true, false],
    unroll: ["#pragma unroll\n", "", "#pragma unroll 1\n"],
    split: ["pixels", "even", "filters"],
    blocks: ["free", "two", "one"],
    restrict: [true, false],
    channels: [32, 64, 16, 128],
  },
  write(o, { n = 0 }) {
    const [height = 8, width = 16] = o.tile.split("x").map(Number);
    const [warpsM, warpsN] = { pixels: [8, 1], even: [4, 2], filters: [2, 4] }[o.split] as [number, number];
    const pitch = o.channels + o.pad;
    const haloBytes = (height + 2) * (width + 2) * pitch * 2;
    const tableBytes = o.weights === "global" ? 0 : o.channels * 288 * (o.weights === "async" ? 2 : 1);
    const q = on(o.restrict, " __restrict__");
    const fill = `for (int e = threadIdx.x; e < (HEIGHT + 2) * (WIDTH + 2) * (CHANNELS / 8); e += 256) {
        const int spot = e / (CHANNELS / 8), c = e % (CHANNELS / 8) * 8;
        const int y = y0 + spot / (WIDTH + 2) - 1, z = z0 + spot % (WIDTH + 2) - 1;
        uint4 v = make_uint4(0u, 0u, 0u, 0u);
        if (y >= 0 && y < 64 && z >= 0 && z < 64)
          v = *reinterpret_cast<const uint4*>(x + ((plane * 64 + y) * 64 + z) * 128 + chunk * CHANNELS + c);
        *reinterpret_cast<uint4*>(&tile[spot * PITCH + c]) = v;
      }`;
    const fromTable = o.weights === "async" ? "table + (step & 1) * CHANNELS * 144" : "table";
    const loadB =
      o.weights === "global"
        ? "wmma::load_matrix_sync(fb[j], weight + (tap * 128 + chunk * CHANNELS + c) * 128 + filter0 + 16 * j, 128);"
        : `wmma::load_matrix_sync(fb[j], ${fromTable} + c * 144 + filter0 + 16 * j, 144);`;
    const compute = `${o.unroll}for (int c = 0; c < CHANNELS; c += 16) {
        ${fragmentA} fa[WM];
        ${fragmentB} fb[WN];
        #pragma unroll
        for (int i = 0; i < WM; ++i) {
          const int f = part * WM + i;
          const int spot = (f / (WIDTH / 16) + tap / 3) * (WIDTH + 2) + f % (WIDTH / 16) * 16 + tap % 3;
          wmma::load_matrix_sync(fa[i], tile + spot * PITCH + c, PITCH);
        }
        #pragma unroll
        for (int j = 0; j < WN; ++j) ${loadB}
        ${multiply("fa", "fb")}
      }`;
    const bound = { free: "", one: "__launch_bounds__(256) ", two: "__launch_bounds__(256, 2) " }[o.blocks];
    const source = `${on(o.weights === "async", "#include <cuda_pipeline.h>\n")}${preamble}
constexpr int HEIGHT = ${height}, WIDTH = ${width}, CHANNELS = ${o.channels}, PITCH = ${pitch};
constexpr int WARPS_N = ${warpsN}, WM = ${8 / warpsM}, WN = ${8 / warpsN};

extern "C" __global__ void ${bound}conv_halo(const half*${q} x, const half*${q} weight, half*${q} out) {
  extern __shared__ __align__(128) unsigned char memory[];
  half* tile = reinterpret_cast<half*>(memory);
  ${on(o.weights !== "global", `half* table = reinterpret_cast<half*>(memory + ${haloBytes});`)}
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int part = warp / WARPS_N, filter0 = warp % WARPS_N * 16 * WN;
  const int z0 = blockIdx.x % (64 / WIDTH) * WIDTH;
  const int y0 = blockIdx.x / (64 / WIDTH) % (64 / HEIGHT) * HEIGHT;
  const int plane = blockIdx.x / (64 / WIDTH) / (64 / HEIGHT);
  ${zeroAccumulators}
  ${haloLoop(o.weights, fill, compute)}
  __syncthreads();
  float* mine = reinterpret_cast<float*>(memory) + warp * 256;
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    const int f = part * WM + i;
    const int pixel = (plane * 64 + y0 + f / (WIDTH / 16)) * 64 + z0 + f % (WIDTH / 16) * 16;
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      ${drain(o.wide, "acc[i][j]", "pixel", "filter0 + 16 * j")}
    }
  }
}
`;
    const bytes = Math.max(8192, haloBytes + tableBytes);
    const launches = [launch("conv_halo", n * 32, 256, ["x", "weight", "out"], bytes)];
    return styled({ source, launches }, { names: "snake", indent: 3 });
  },
});
