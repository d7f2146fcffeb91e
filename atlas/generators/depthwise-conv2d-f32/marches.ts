import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { constants, imagesOf, launch3, pointers, tapsFrom } from "./parts.ts";

/** One column per thread, walking down the plane. */
export const columnMarch: Template = template({
  id: "column-march",
  from: "pixel-per-thread",
  idea: "Let each thread walk down a column and keep what the next outputs need in registers.",
  options: {
    state: ["window", "sums"],
    taps: ["registers", "ldg", "shared"],
    edge: ["select", "masks"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    unroll: ["none", "four", "five"],
    size: ["define", "constexpr"],
    chunk: [28, 56, 112, 14],
    threads: [112, 128, 224],
  },
  count: 27,
  write: ({ state, taps, edge, load, store, unroll, size, chunk, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const get = (place: string): string => (load === "plain" ? place : `${load}(&${place})`);
    const value =
      edge === "select"
        ? `inside && col + s >= 2 && col + s < W + 2 ? ${get("image[y * W + col + s - 2]")} : 0.0f`
        : `inside && (mask >> s & 1) ? ${get("image[y * W + col + s - 2]")} : 0.0f`;
    const put = (text: string): string =>
      store === "plain" ? `to[(y - 2) * W] = ${text};` : `__stcs(&to[(y - 2) * W], ${text});`;
    const source = `
      ${constants(sizes, size)}
      #define CHUNK ${chunk}

      extern "C" __global__ void depthwise(${pointers(true)}) {
        const int plane = blockIdx.z;
        ${filter.prepare}
        const int col = blockIdx.x * blockDim.x + threadIdx.x;
        const int top = blockIdx.y * CHUNK;
        const int bottom = min(top + CHUNK, H);
        if (col >= W) return;
        const float* image = x + plane * H * W;
        float* to = out + plane * H * W + col;
        ${on(edge === "masks", "const int mask = (col < 2 ? 31 << (2 - col) : 31) & (col >= W - 2 ? 31 >> (col + 3 - W) : 31);")}
        ${state === "window" ? "float seen[5][5];\n#pragma unroll\nfor (int i = 0; i < 25; ++i) seen[i / 5][i % 5] = 0.0f;" : "float part[5] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};"}
        ${{ none: "#pragma unroll 1", four: "#pragma unroll 4", five: "#pragma unroll 5" }[unroll]}
        for (int y = top - 2; y < bottom + 2; ++y) {
          const bool inside = y >= 0 && y < H;
          float fresh[5];
          #pragma unroll
          for (int s = 0; s < 5; ++s) fresh[s] = ${value};
          ${state === "window" ? windowStep(filter.at, put) : sumsStep(filter.at, put)}
        }
      }
    `;
    const grid: [number, number, number] = [Math.ceil(w / threads), Math.ceil(h / chunk), planes];
    return styled({ source, launches: [launch3(grid, [threads, 1])] }, { names: "snake", indent: 4 });
  },
});

type Text = (text: string) => string;

function windowStep(tap: Text, put: Text): string {
  return `
    #pragma unroll
    for (int s = 0; s < 5; ++s) {
      #pragma unroll
      for (int r = 0; r < 4; ++r) seen[r][s] = seen[r + 1][s];
      seen[4][s] = fresh[s];
    }
    if (y - 2 >= top) {
      float total = 0.0f;
      #pragma unroll
      for (int r = 0; r < 5; ++r)
        #pragma unroll
        for (int s = 0; s < 5; ++s) total = fmaf(seen[r][s], ${tap("r * 5 + s")}, total);
      ${put("total")}
    }`;
}

function sumsStep(tap: Text, put: Text): string {
  return `
    #pragma unroll
    for (int j = 0; j < 5; ++j)
      #pragma unroll
      for (int s = 0; s < 5; ++s) part[j] += ${tap("(4 - j) * 5 + s")} * fresh[s];
    if (y - 2 >= top) ${put("part[0]")}
    #pragma unroll
    for (int j = 0; j < 4; ++j) part[j] = part[j + 1];
    part[4] = 0.0f;`;
}

type Sides = "vectors" | "pairs" | "scalars" | "shuffle";

/** Fills v[0 … 7] with the row's values at 4 q - 2 … 4 q + 5, zero outside. */
function fetchRow(sides: Sides, load: string): string {
  const get = (place: string): string => (load === "plain" ? `*(${place})` : `${load}(${place})`);
  const centre = `
    float4 mid = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (live) mid = ${get("reinterpret_cast<const float4*>(line) + q")};`;
  const rest = {
    vectors: `
      float4 left = make_float4(0.0f, 0.0f, 0.0f, 0.0f), right = left;
      if (live && q > 0) left = ${get("reinterpret_cast<const float4*>(line) + q - 1")};
      if (live && q < QUADS - 1) right = ${get("reinterpret_cast<const float4*>(line) + q + 1")};
      v[0] = left.z, v[1] = left.w, v[6] = right.x, v[7] = right.y;`,
    pairs: `
      float2 left = make_float2(0.0f, 0.0f), right = left;
      if (live && q > 0) left = ${get("reinterpret_cast<const float2*>(line + 4 * q - 2)")};
      if (live && q < QUADS - 1) right = ${get("reinterpret_cast<const float2*>(line + 4 * q + 4)")};
      v[0] = left.x, v[1] = left.y, v[6] = right.x, v[7] = right.y;`,
    scalars: `
      v[0] = live && q > 0 ? ${get("line + 4 * q - 2")} : 0.0f;
      v[1] = live && q > 0 ? ${get("line + 4 * q - 1")} : 0.0f;
      v[6] = live && q < QUADS - 1 ? ${get("line + 4 * q + 4")} : 0.0f;
      v[7] = live && q < QUADS - 1 ? ${get("line + 4 * q + 5")} : 0.0f;`,
    shuffle: `
      v[0] = __shfl_up_sync(0xffffffffu, mid.z, 1);
      v[1] = __shfl_up_sync(0xffffffffu, mid.w, 1);
      v[6] = __shfl_down_sync(0xffffffffu, mid.x, 1);
      v[7] = __shfl_down_sync(0xffffffffu, mid.y, 1);
      if (q == 0) v[0] = v[1] = 0.0f;
      if (q >= QUADS - 1) v[6] = v[7] = 0.0f;`,
  }[sides];
  return `${centre}\nv[2] = mid.x, v[3] = mid.y, v[4] = mid.z, v[5] = mid.w;\n${rest}`;
}

/** Four columns per thread, walking down the plane. */
export const quadMarch: Template = template({
  id: "quad-march",
  from: "column-march",
  idea: "Walk down four columns at once with float4 accesses; the five pending output rows stay in registers.",
  options: {
    sides: ["vectors", "pairs", "scalars", "shuffle"],
    state: ["sums", "window"],
    taps: ["registers", "ldg"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    ahead: [false, true],
    unroll: ["one", "five", "two"],
    chunk: [28, 56, 112, 14, 16],
    threads: [128, 256, 64],
  },
  valid: ({ state, unroll }) => !(state === "window" && unroll === "five"),
  count: 28,
  write: ({ sides, state, taps, load, store, ahead, unroll, chunk, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const shuffle = sides === "shuffle";
    const put = (text: string): string =>
      store === "plain" ? `to[(y - 2) * QUADS] = ${text};` : `__stcs(to + (y - 2) * QUADS, ${text});`;
    const step = `
      ${state === "sums" ? quadSums(filter.at) : quadWindow(filter.at)}
      if (y - 2 >= top${on(shuffle, " && q < QUADS")}) {
        ${put("make_float4(done[0], done[1], done[2], done[3])")}
      }`;
    const source = `
      ${constants(sizes, "constexpr")}
      constexpr int QUADS = W / 4;
      constexpr int CHUNK = ${chunk};

      __device__ __forceinline__ void fetch_row(const float* image, int y, int q, float (&v)[8]) {
        const bool live = y >= 0 && y < H${on(shuffle, " && q < QUADS")};
        const float* line = image + y * W;
        ${fetchRow(sides, load)}
      }

      extern "C" __global__ void __launch_bounds__(${threads}) depthwise(${pointers(true)}) {
        ${
          shuffle
            ? "const int q = threadIdx.x % 32;\nconst int plane = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;"
            : "const int index = blockIdx.x * blockDim.x + threadIdx.x;\nconst int q = index % QUADS;\nconst int plane = index / QUADS;"
        }
        if (plane >= PLANES) return;
        const int top = blockIdx.y * CHUNK;
        const int bottom = min(top + CHUNK, H);
        const float* image = x + plane * H * W;
        float4* to = reinterpret_cast<float4*>(out + plane * H * W) + q;
        ${filter.prepare}
        ${state === "sums" ? "float part[5][4] = {};" : "float seen[5][8] = {};"}
        ${on(ahead, "float coming[8];\nfetch_row(image, top - 2, q, coming);")}
        ${{ one: "#pragma unroll 1", five: "#pragma unroll 5", two: "#pragma unroll 2" }[unroll]}
        for (int y = top - 2; y < bottom + 2; ++y) {
          float v[8];
          ${
            ahead
              ? "#pragma unroll\nfor (int i = 0; i < 8; ++i) v[i] = coming[i];\nfetch_row(image, y + 1, q, coming);"
              : "fetch_row(image, y, q, v);"
          }
          ${step}
        }
      }
    `;
    const across = shuffle ? Math.ceil(planes / (threads / 32)) : Math.ceil((planes * w) / 4 / threads);
    return styled(
      { source, launches: [launch("depthwise", [across, Math.ceil(h / chunk)], threads, ["x", "weight", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

function quadSums(tap: Text): string {
  return `
    #pragma unroll
    for (int j = 0; j < 5; ++j)
      #pragma unroll
      for (int s = 0; s < 5; ++s)
        #pragma unroll
        for (int p = 0; p < 4; ++p) part[j][p] = fmaf(${tap("(4 - j) * 5 + s")}, v[p + s], part[j][p]);
    float done[4];
    #pragma unroll
    for (int p = 0; p < 4; ++p) {
      done[p] = part[0][p];
      #pragma unroll
      for (int j = 0; j < 4; ++j) part[j][p] = part[j + 1][p];
      part[4][p] = 0.0f;
    }`;
}

function quadWindow(tap: Text): string {
  return `
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
      #pragma unroll
      for (int r = 0; r < 4; ++r) seen[r][i] = seen[r + 1][i];
      seen[4][i] = v[i];
    }
    float done[4] = {};
    #pragma unroll
    for (int r = 0; r < 5; ++r)
      #pragma unroll
      for (int s = 0; s < 5; ++s) {
        const float a = ${tap("r * 5 + s")};
        #pragma unroll
        for (int p = 0; p < 4; ++p) done[p] += a * seen[r][p + s];
      }`;
}

/** A thread follows a row: its neighbours in the warp have other rows or other planes. */
export const rowWalk: Template = template({
  id: "row-walk",
  from: "column-march",
  idea: "Give each thread a row segment to walk along, sliding a 5x5 window of registers.",
  options: {
    lanes: ["rows", "planes"],
    state: ["window", "sums"],
    taps: ["registers", "global"],
    fetch: ["one-column", "four-columns"],
    restrict: [true, false],
    size: ["enum", "constexpr"],
    segment: [112, 56, 28, 16],
    threads: [128, 64, 256],
  },
  count: 22,
  write: ({ lanes, state, taps, fetch, restrict, size, segment, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const wide = fetch === "four-columns";
    const locate =
      lanes === "rows"
        ? "const int row = index % H;\nconst int plane = index / H % PLANES;\nconst int begin = index / (H * PLANES) * SEGMENT;"
        : "const int plane = index % PLANES;\nconst int row = index / PLANES % H;\nconst int begin = index / (H * PLANES) * SEGMENT;";
    const load = wide
      ? `
        if ((z & 3) == 0 || z == begin - 2) {
          #pragma unroll
          for (int r = 0; r < 5; ++r) {
            const int y = row + r - 2;
            const bool live = y >= 0 && y < H && z >= 0 && z < W;
            four[r] = live ? *reinterpret_cast<const float4*>(image + y * W + (z & ~3)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          }
        }
        #pragma unroll
        for (int r = 0; r < 5; ++r) {
          const int k4 = z & 3;
          fresh[r] = k4 == 0 ? four[r].x : k4 == 1 ? four[r].y : k4 == 2 ? four[r].z : four[r].w;
        }`
      : `
        #pragma unroll
        for (int r = 0; r < 5; ++r) {
          const int y = row + r - 2;
          fresh[r] = y >= 0 && y < H && z >= 0 && z < W ? image[y * W + z] : 0.0f;
        }`;
    const step =
      state === "window"
        ? `
          #pragma unroll
          for (int r = 0; r < 5; ++r) {
            for (int s = 0; s < 4; ++s) seen[r][s] = seen[r][s + 1];
            seen[r][4] = fresh[r];
          }
          float total = 0.0f;
          #pragma unroll
          for (int i = 0; i < 25; ++i) total += seen[i / 5][i % 5] * ${filter.at("i")};
          if (z - 2 >= begin) line[z - 2] = total;`
        : `
          #pragma unroll
          for (int i = 0; i < 25; ++i) part[i / 5] = fmaf(fresh[i % 5], ${filter.at("i % 5 * 5 + 4 - i / 5")}, part[i / 5]);
          if (z - 2 >= begin) line[z - 2] = part[0];
          #pragma unroll
          for (int j = 0; j < 4; ++j) part[j] = part[j + 1];
          part[4] = 0.0f;`;
    const source = `
      ${constants(sizes, size)}
      constexpr int SEGMENT = ${segment};

      extern "C" __global__ void depthwise(${pointers(restrict)}) {
        const int index = blockIdx.x * blockDim.x + threadIdx.x;
        ${locate}
        if (begin >= W) return;
        const float* image = x + plane * H * W;
        float* line = out + (plane * H + row) * W;
        ${filter.prepare}
        ${state === "window" ? "float seen[5][5] = {};" : "float part[5] = {};"}
        ${on(wide, "float4 four[5];")}
        for (int z = begin - 2; z < begin + SEGMENT + 2; ++z) {
          float fresh[5];
          ${load}
          ${step}
        }
      }
    `;
    const count = planes * h * (w / segment);
    return styled(
      { source, launches: [launch("depthwise", Math.ceil(count / threads), threads, ["x", "weight", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});
