import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, combine, gridOf, int, launch, pointers, read, shape, write } from "./shared.ts";

interface Queue {
  readonly start: string;
  readonly push: string;
  readonly shift: string;
  readonly taps: readonly [string, string, string, string, string];
}

/** Five consecutive values along z, in named registers or in a small array; `at(z)` reads one. */
function queue(style: unknown, ahead: unknown, type: string, at: (z: string) => string): Queue {
  const last = ahead ? `    const ${type} coming = ${at("z + 3")};\n` : "";
  if (style === "array") {
    const count = ahead ? 5 : 4;
    return {
      start: `  ${type} line[5];
#pragma unroll
  for (int k = 0; k < ${count}; ++k) line[k] = ${at("z0 - 2 + k")};\n`,
      push: ahead ? last : `    line[4] = ${at("z + 2")};\n`,
      shift: `#pragma unroll
    for (int k = 0; k < 4; ++k) line[k] = line[k + 1];
${ahead ? "    line[4] = coming;\n" : ""}`,
      taps: ["line[0]", "line[1]", "line[2]", "line[3]", "line[4]"],
    };
  }
  return {
    start: `  ${type} b2 = ${at("z0 - 2")};
  ${type} b1 = ${at("z0 - 1")};
  ${type} c = ${at("z0")};
  ${type} t1 = ${at("z0 + 1")};
${ahead ? `  ${type} t2 = ${at("z0 + 2")};\n` : ""}`,
    push: ahead ? last : `    const ${type} t2 = ${at("z + 2")};\n`,
    shift: `    b2 = b1;
    b1 = c;
    c = t1;
    t1 = t2;
${ahead ? "    t2 = coming;\n" : ""}`,
    taps: ["b2", "b1", "c", "t1", "t2"],
  };
}

const levelFunction =
  "__device__ __forceinline__ int level(int z, int nz_) {\n  return min(max(z, 0), nz_ - 1);\n}\n\n";

function marchBody(o: Options): string {
  const at = (z: string): string => read(o["load"], `column[level(${z}, nz) * plane]`);
  const { start, push, shift, taps } = queue(o["queue"], o["ahead"], "float", at);
  const side = (place: string): string => read(o["load"], `here[${place}]`);
  const near = [side("-1"), side("1"), side("-nx"), side("nx"), taps[1], taps[3]];
  const far = [side("-2"), side("2"), side("-2 * nx"), side("2 * nx"), taps[0], taps[4]];
  const rim = o["rim"] === "separate";
  const test = rim ? "z >= 2 && z < nz - 2" : "inner && z >= 2 && z < nz - 2";
  return `  const int plane = nx * ny;
  const float* column = u + y * nx + x;
  float* to = out + y * nx + x;
${
  rim
    ? `  if (x < 2 || x >= nx - 2 || y < 2 || y >= ny - 2) {
    for (int z = z0; z < z1; ++z) to[z * plane] = column[z * plane];
    return;
  }
`
    : "  const bool inner = x >= 2 && x < nx - 2 && y >= 2 && y < ny - 2;\n"
}${start}${o["unrolled"] ? "#pragma unroll 4\n" : ""}  for (int z = z0; z < z1; ++z) {
${push}    float value = ${taps[2]};
    if (${test}) {
      const float* here = column + z * plane;
      value = ${combine(o["sum"], "value", near, far)};
    }
    ${write(o["store"], "to[z * plane]", "value")}
${shift}  }`;
}

/** One thread per (x, y), marching along z; neighbours in the plane come through the caches. */
export const zMarch: Template = {
  id: "z-march",
  from: "cell-per-thread",
  idea: "March along z with the five values of the column in registers",
  options: {
    queue: ["named", "array"],
    ahead: [false, true],
    rim: ["select", "separate"],
    unrolled: [false, true],
    sum: ["grouped", "fma"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    chunk: [192, 48, 24, 12],
    block: ["32x8", "64x4", "128x2", "32x4", "16x16"],
  },
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const chunk = int(o, "chunk");
    const source = `#define CHUNK ${chunk}
${grid.header}${levelFunction}extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  const int z0 = blockIdx.z * CHUNK;
  const int z1 = min(z0 + CHUNK, nz);
  if (x >= nx || y >= ny) return;
${marchBody(o)}
}
`;
    const blocks: [number, number, number] = [
      ceilDiv(grid.nx, block[0]),
      ceilDiv(grid.ny, block[1]),
      ceilDiv(grid.nz, chunk),
    ];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};

function planeFill(o: Options, centre: string): string {
  const tile = o["buffers"] === 2 ? "tile[z & 1]" : "tile";
  if (o["halo"] === "all-cells") {
    return `    for (int i = ty * TX + tx; i < (TX + 4) * (TY + 4); i += TX * TY) {
      const int hx = min(max((int)blockIdx.x * TX + i % (TX + 4) - 2, 0), nx - 1);
      const int hy = min(max((int)blockIdx.y * TY + i / (TX + 4) - 2, 0), ny - 1);
      ${tile}[i / (TX + 4)][i % (TX + 4)] = ${read(o["load"], "u[(z * ny + hy) * nx + hx]")};
    }\n`;
  }
  const cell = `    ${tile}[ty + 2][tx + 2] = ${centre};\n`;
  return `${cell}    if (tx < 2) {
      ${tile}[ty + 2][tx] = ${read(o["load"], "u[(z * ny + y) * nx + max(x - 2, 0)]")};
      ${tile}[ty + 2][tx + TX + 2] = ${read(o["load"], "u[(z * ny + y) * nx + min(x + TX, nx - 1)]")};
    }
    if (ty < 2) {
      ${tile}[ty][tx + 2] = ${read(o["load"], "u[(z * ny + max(y - 2, 0)) * nx + x]")};
      ${tile}[ty + TY + 2][tx + 2] = ${read(o["load"], "u[(z * ny + min(y + TY, ny - 1)) * nx + x]")};
    }\n`;
}

function planeBody(o: Options): string {
  const at = (z: string): string => read(o["load"], `u[level(${z}, nz) * plane + y * nx + x]`);
  const { start, push, shift, taps } = queue(o["queue"], o["ahead"], "float", at);
  const tile = o["buffers"] === 2 ? "tile[z & 1]" : "tile";
  const cell = (dy: number, dx: number): string => `${tile}[ty + ${2 + dy}][tx + ${2 + dx}]`;
  const near = [cell(0, -1), cell(0, 1), cell(-1, 0), cell(1, 0), taps[1], taps[3]];
  const far = [cell(0, -2), cell(0, 2), cell(-2, 0), cell(2, 0), taps[0], taps[4]];
  return `${start}
  for (int z = z0; z < z1; ++z) {
${push}${planeFill(o, taps[2])}    __syncthreads();
    float value = ${taps[2]};
    if (inner && z >= 2 && z < nz - 2) {
      value = ${combine(o["sum"], "value", near, far)};
    }
    ${write(o["store"], "out[z * plane + y * nx + x]", "value")}
${o["buffers"] === 2 ? "" : "    __syncthreads();\n"}${shift}  }`;
}

/** The 2.5-D scheme: a plane's tile with its rim in shared memory, the column in registers. */
export const planeTile: Template = {
  id: "plane-tile",
  from: "z-march",
  idea: "Share each plane's tile among the block's threads while marching along z",
  options: {
    halo: ["edge-threads", "all-cells"],
    buffers: [1, 2],
    queue: ["named", "array"],
    ahead: [false, true],
    sum: ["grouped", "fma"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    chunk: [48, 24, 96, 192],
    block: ["32x8", "32x16", "64x8", "128x4", "16x16"],
  },
  count: 31,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const chunk = int(o, "chunk");
    const source = `#define TX ${block[0]}
#define TY ${block[1]}
#define CHUNK ${chunk}
${grid.header}${levelFunction}extern "C" __global__ void __launch_bounds__(TX * TY) sweep(${pointers(true)}${grid.params}) {
  __shared__ float tile${o["buffers"] === 2 ? "[2]" : ""}[TY + 4][TX + 4];
  const int tx = threadIdx.x;
  const int ty = threadIdx.y;
  const int x = blockIdx.x * TX + tx;
  const int y = blockIdx.y * TY + ty;
  const int plane = nx * ny;
  const bool inner = x >= 2 && x < nx - 2 && y >= 2 && y < ny - 2;
  const int z0 = blockIdx.z * CHUNK;
  const int z1 = min(z0 + CHUNK, nz);
${planeBody(o)}
}
`;
    const blocks: [number, number, number] = [grid.nx / block[0], grid.ny / block[1], ceilDiv(grid.nz, chunk)];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};

const components = ["x", "y", "z", "w"];

function sideQuads(o: Options): string {
  const get = (offset: string): string => read(o["load"], `here[${offset}]`);
  if (o["sides"] === "loads") {
    return `      const float4 l = ${get("-1")};
      const float4 r = ${get("1")};
      const float l2 = l.z, l1 = l.w, r1 = r.x, r2 = r.y;`;
  }
  if (o["sides"] === "scalars") {
    return `      const float* cells = reinterpret_cast<const float*>(here);
      const float l2 = ${read(o["load"], "cells[-2]")}, l1 = ${read(o["load"], "cells[-1]")};
      const float r1 = ${read(o["load"], "cells[4]")}, r2 = ${read(o["load"], "cells[5]")};`;
  }
  return `      if (lane == 0 && q > 0) {
        const float2 edge = *reinterpret_cast<const float2*>(reinterpret_cast<const float*>(here) - 2);
        l2 = edge.x;
        l1 = edge.y;
      }
      if (lane == 31 && q < pitch - 1) {
        const float2 edge = *reinterpret_cast<const float2*>(here + 1);
        r1 = edge.x;
        r2 = edge.y;
      }`;
}

function quadBody(o: Options): string {
  const at = (z: string): string => read(o["load"], `column[level(${z}, nz) * plane]`);
  const { start, push, shift, taps } = queue(o["queue"], o["ahead"], "float4", at);
  const centre = taps[2];
  const row = ["l2", "l1", ...components.map((k) => `${centre}.${k}`), "r1", "r2"];
  const values = components.map((k, j) => {
    const near = [row[j + 1], row[j + 3], `n1.${k}`, `s1.${k}`, `${taps[1]}.${k}`, `${taps[3]}.${k}`] as string[];
    const far = [row[j], row[j + 4], `n2.${k}`, `s2.${k}`, `${taps[0]}.${k}`, `${taps[4]}.${k}`] as string[];
    return `      value.${k} = ${combine(o["sum"], `${centre}.${k}`, near, far)};`;
  });
  const shuffle = `    float l2 = __shfl_up_sync(0xffffffffu, ${centre}.z, 1);
    float l1 = __shfl_up_sync(0xffffffffu, ${centre}.w, 1);
    float r1 = __shfl_down_sync(0xffffffffu, ${centre}.x, 1);
    float r2 = __shfl_down_sync(0xffffffffu, ${centre}.y, 1);\n`;
  const get = (offset: string): string => read(o["load"], `here[${offset}]`);
  return `${start}${o["unrolled"] ? "#pragma unroll 2\n" : ""}  for (int z = z0; z < z1; ++z) {
${push}${o["sides"] === "shuffle" ? shuffle : ""}    float4 value = ${centre};
    if (rows && z >= 2 && z < nz - 2) {
      const float4* here = column + z * plane;
      const float4 n1 = ${get("-pitch")}, s1 = ${get("pitch")};
      const float4 n2 = ${get("-2 * pitch")}, s2 = ${get("2 * pitch")};
${sideQuads(o)}
${values.join("\n")}
      if (q == 0) {
        value.x = ${centre}.x;
        value.y = ${centre}.y;
      }
      if (q == pitch - 1) {
        value.z = ${centre}.z;
        value.w = ${centre}.w;
      }
    }
    ${write(o["store"], "to[z * plane]", "value")}
${shift}  }`;
}

/** Four cells along x per thread, marching along z. */
export const quadMarch: Template = {
  id: "vec4-march",
  from: "z-march",
  idea: "Handle four cells along x per thread with float4 accesses while marching along z",
  options: {
    sides: ["loads", "shuffle", "scalars"],
    queue: ["named", "array"],
    ahead: [false, true],
    unrolled: [false, true],
    sum: ["grouped", "fma"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    chunk: [24, 48, 12, 96],
    block: ["32x4", "32x8", "64x4", "128x1", "128x2"],
  },
  count: 31,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const chunk = int(o, "chunk");
    const source = `#define CHUNK ${chunk}
${grid.header}${levelFunction}extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  const int pitch = nx / 4;
  const int plane = pitch * ny;
  const int q = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
${o["sides"] === "shuffle" ? "  const int lane = threadIdx.x & 31;\n" : ""}  const bool rows = y >= 2 && y < ny - 2;
  const int z0 = blockIdx.z * CHUNK;
  const int z1 = min(z0 + CHUNK, nz);
  const float4* column = reinterpret_cast<const float4*>(u) + y * pitch + q;
  float4* to = reinterpret_cast<float4*>(out) + y * pitch + q;
${quadBody(o)}
}
`;
    const blocks: [number, number, number] = [grid.nx / 4 / block[0], grid.ny / block[1], ceilDiv(grid.nz, chunk)];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};
