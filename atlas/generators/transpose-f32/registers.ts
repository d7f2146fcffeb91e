import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, colsOf, int, launch, pointers, read4, rowsOf, sizing, write, write4 } from "./shared.ts";

function microTile(o: Options, height: number, width: number): string {
  const lines: string[] = [];
  for (let r = 0; r < height; r++) {
    for (let q = 0; q < width / 4; q++) {
      lines.push(`  const float4 a${r}_${q} = ${read4(o["load"], `x[(row + ${r}) * cols + col + ${4 * q}]`)};`);
    }
  }
  for (let c = 0; c < width; c++) {
    for (let p = 0; p < height / 4; p++) {
      const part = (k: number): string => `a${4 * p + k}_${Math.floor(c / 4)}.${"xyzw"[c % 4]}`;
      const value = `make_float4(${[0, 1, 2, 3].map(part).join(", ")})`;
      lines.push(`  ${write4(o["store"], `out[(col + ${c}) * rows + row + ${4 * p}]`, value)}`);
    }
  }
  return lines.join("\n");
}

function microLoop(o: Options, height: number, width: number): string {
  return `  float block[${height}][${width}];
#pragma unroll
  for (int i = 0; i < ${height}; ++i) {
#pragma unroll
    for (int q = 0; q < ${width}; q += 4) {
      const float4 v = ${read4(o["load"], "x[(row + i) * cols + col + q]")};
      block[i][q] = v.x;
      block[i][q + 1] = v.y;
      block[i][q + 2] = v.z;
      block[i][q + 3] = v.w;
    }
  }
#pragma unroll
  for (int j = 0; j < ${width}; ++j) {
#pragma unroll
    for (int p = 0; p < ${height}; p += 4) {
      const float4 v = make_float4(block[p][j], block[p + 1][j], block[p + 2][j], block[p + 3][j]);
      ${write4(o["store"], "out[(col + j) * rows + row + p]", "v")}
    }
  }`;
}

/** A small block per thread, turned in registers; no shared memory. */
export const registerBlocks: Template = {
  id: "register-block",
  from: "thread-strips",
  idea: "Transpose a small block in each thread's registers with float4 loads and stores",
  options: {
    style: ["named", "array"],
    micro: ["4x4", "8x4", "8x8", "4x8"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["plain", "__stcs"],
    rowLanes: [4, 8, 16, 32, 1],
    size: ["args", "constexpr"],
    warps: [4, 8, 2],
  },
  count: 42,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [height, width] = String(o["micro"]).split("x").map(Number) as [number, number];
    const [rowLanes, warps] = [int(o, "rowLanes"), int(o, "warps")];
    const body = o["style"] === "named" ? microTile(o, height, width) : microLoop(o, height, width);
    const source = `#define ROW_LANES ${rowLanes}
#define COL_LANES (32 / ROW_LANES)
${size.header}extern "C" __global__ void transpose(${pointers(true)}${size.params}) {
  const int lane = threadIdx.x;
  const int row = ((blockIdx.y * blockDim.y + threadIdx.y) * ROW_LANES + lane % ROW_LANES) * ${height};
  const int col = (blockIdx.x * COL_LANES + lane / ROW_LANES) * ${width};
  if (row >= rows || col >= cols) return;
${body}
}
`;
    const grid: [number, number, number] = [
      ceilDiv(colsOf(s), (32 / rowLanes) * width),
      ceilDiv(rowsOf(s), rowLanes * height * warps),
      1,
    ];
    return { source, launches: [launch(grid, [32, warps, 1], ["x", "out", ...size.args])] };
  },
};

const exchanges: Readonly<Record<string, string>> = {
  butterfly: `#pragma unroll
  for (int m = WIDTH / 2; m > 0; m >>= 1) {
    const bool upper = (lane & m) != 0;
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
      if (i & m) continue;
      const float give = upper ? v[i] : v[i | m];
      const float got = __shfl_xor_sync(0xffffffffu, give, m);
      if (upper) v[i] = got;
      else v[i | m] = got;
    }
  }`,
  indexed: `  float t[WIDTH];
  for (int s = 0; s < WIDTH; ++s) {
    // Lane l gives its element l - s and takes element l of lane l + s.
    const float got = __shfl_sync(0xffffffffu, v[(lane - s) & (WIDTH - 1)], lane + s, WIDTH);
    t[(lane + s) & (WIDTH - 1)] = got;
  }
  for (int i = 0; i < WIDTH; ++i) v[i] = t[i];`,
  broadcast: `  float t[WIDTH];
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    t[i] = 0.0f;
#pragma unroll
    for (int j = 0; j < WIDTH; ++j) {
      const float got = __shfl_sync(0xffffffffu, v[j], i, WIDTH);
      if (j == lane) t[i] = got;
    }
  }
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) v[i] = t[i];`,
};

function warpTileBody(o: Options): string {
  const stores =
    o["tail"] === "lanes"
      ? `#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    ${write(o["store"], "out[(col + i) * rows + row + lane]", "v[i]")}
  }`
      : `  float* to = out + col * rows + row + lane;
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    ${write(o["store"], "*to", "v[i]")}
    to += rows;
  }`;
  return `  float v[WIDTH];
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) v[i] = ${o["load"] === "plain" ? "x[(row + i) * cols + col + lane]" : `${String(o["load"])}(&x[(row + i) * cols + col + lane])`};
${exchanges[String(o["exchange"])]}
${stores}`;
}

/** A warp turns a square tile with shuffles. */
export const shuffles: Template = {
  id: "warp-shuffle",
  from: "register-block",
  idea: "Turn a tile inside each warp with shuffles instead of shared memory",
  options: {
    exchange: ["indexed", "butterfly", "broadcast"],
    tail: ["lanes", "pointer"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["plain", "__stcs"],
    size: ["args", "define"],
    width: [32, 8, 16],
    warps: [4, 8, 1],
  },
  count: 10,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [width, warps] = [int(o, "width"), int(o, "warps")];
    const source = `#define WIDTH ${width}
${size.header}extern "C" __global__ void transpose(${pointers(true)}${size.params}) {
  const int lane = threadIdx.x & (WIDTH - 1);
  const int group = threadIdx.x / WIDTH;
  const int col = (blockIdx.x * (32 / WIDTH) + group) * WIDTH;
  const int row = (blockIdx.y * blockDim.y + threadIdx.y) * WIDTH;
${warpTileBody(o)}
}
`;
    const grid: [number, number, number] = [colsOf(s) / 32, rowsOf(s) / (width * warps), 1];
    return { source, launches: [launch(grid, [32, warps, 1], ["x", "out", ...size.args])] };
  },
};
