import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, combine, gridOf, inside, int, launch, pointers, read, shape, write } from "./shared.ts";

const spot = (o: Options, z: string, y: string, x: string): string =>
  o["memory"] === "dynamic" ? `tile[((${z}) * (BY + 4) + ${y}) * (BX + 4) + ${x}]` : `tile[${z}][${y}][${x}]`;

function boxFill(o: Options): string {
  if (o["fill"] === "linear") {
    const target =
      o["memory"] === "dynamic" ? "tile[i]" : "tile[i / ((BX + 4) * (BY + 4))][i / (BX + 4) % (BY + 4)][i % (BX + 4)]";
    return `  const int tid = (tz * BY + ty) * BX + tx;
  for (int i = tid; i < (BX + 4) * (BY + 4) * (TZ + 4); i += BX * BY * BZ) {
    const int lx = i % (BX + 4);
    const int ly = i / (BX + 4) % (BY + 4);
    const int lz = i / ((BX + 4) * (BY + 4));
    ${target} = fetch(u, x - tx + lx - 2, y - ty + ly - 2, z0 + lz - 2${o["size"] === "args" ? ", nx, ny, nz" : ""});
  }`;
  }
  const sizes = o["size"] === "args" ? ", nx, ny, nz" : "";
  if (o["fill"] === "nested") {
    return `  for (int lz = tz; lz < TZ + 4; lz += BZ)
    for (int ly = ty; ly < BY + 4; ly += BY)
      for (int lx = tx; lx < BX + 4; lx += BX)
        ${spot(o, "lz", "ly", "lx")} = fetch(u, x - tx + lx - 2, y - ty + ly - 2, z0 + lz - 2${sizes});`;
  }
  return `  for (int lz = tz; lz < TZ; lz += BZ) {
    ${spot(o, "lz + 2", "(ty + 2)", "tx + 2")} = fetch(u, x, y, z0 + lz${sizes});
    if (tx < 2) {
      ${spot(o, "lz + 2", "(ty + 2)", "tx")} = fetch(u, x - 2, y, z0 + lz${sizes});
      ${spot(o, "lz + 2", "(ty + 2)", "tx + BX + 2")} = fetch(u, x + BX, y, z0 + lz${sizes});
    }
    if (ty < 2) {
      ${spot(o, "lz + 2", "ty", "tx + 2")} = fetch(u, x, y - 2, z0 + lz${sizes});
      ${spot(o, "lz + 2", "(ty + BY + 2)", "tx + 2")} = fetch(u, x, y + BY, z0 + lz${sizes});
    }
  }
  if (tz < 2) {
    ${spot(o, "tz", "(ty + 2)", "tx + 2")} = fetch(u, x, y, z0 + tz - 2${sizes});
    ${spot(o, "tz + TZ + 2", "(ty + 2)", "tx + 2")} = fetch(u, x, y, z0 + tz + TZ${sizes});
  }`;
}

function boxCompute(o: Options): string {
  const at = (dz: number, dy: number, dx: number): string =>
    spot(o, `lz + ${2 + dz}`, `(ty + ${2 + dy})`, `tx + ${2 + dx}`);
  const star = (d: number): string[] => [
    at(0, 0, -d),
    at(0, 0, d),
    at(0, -d, 0),
    at(0, d, 0),
    at(-d, 0, 0),
    at(d, 0, 0),
  ];
  return `${o["unrolled"] ? "#pragma unroll\n" : ""}  for (int lz = tz; lz < TZ; lz += BZ) {
    const int z = z0 + lz;
    if (z >= nz) break;
    float value = ${at(0, 0, 0)};
    if (${inside}) {
      value = ${combine(o["sum"], "value", star(1), star(2))};
    }
    ${write(o["store"], "out[(z * ny + y) * nx + x]", "value")}
  }`;
}

function boxBytes(o: Options): number {
  const [bx, by, bz] = shape(o["block"]);
  return 4 * (bx + 4) * (by + 4) * (bz * int(o, "depth") + 4);
}

/** A box of cells with its rim on every side in shared memory. */
export const boxTile: Template = {
  id: "box-tile",
  from: "cell-per-thread",
  idea: "Stage a 3-D box with its rim in shared memory",
  options: {
    fill: ["linear", "nested", "faces"],
    memory: ["static", "dynamic"],
    unrolled: [false, true],
    sum: ["grouped", "fma", "terms"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    depth: [1, 2, 4, 8],
    block: ["8x8x8", "16x8x4", "32x8x4", "32x4x2", "64x4x2"],
  },
  valid: (o) => o["memory"] === "dynamic" || boxBytes(o) <= 48 * 1024,
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const depth = int(o, "depth");
    const source = `#define BX ${block[0]}
#define BY ${block[1]}
#define BZ ${block[2]}
#define TZ (BZ * ${depth})
${grid.header}// Reads a cell; coordinates beyond the grid are moved to its face.
__device__ __forceinline__ float fetch(const float* __restrict__ u, int x, int y, int z${grid.params}) {
  x = min(max(x, 0), nx - 1);
  y = min(max(y, 0), ny - 1);
  z = min(max(z, 0), nz - 1);
  return ${read(o["load"], "u[(z * ny + y) * nx + x]")};
}

extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  ${o["memory"] === "dynamic" ? "extern __shared__ float tile[];" : "__shared__ float tile[TZ + 4][BY + 4][BX + 4];"}
  const int tx = threadIdx.x, ty = threadIdx.y, tz = threadIdx.z;
  const int x = blockIdx.x * BX + tx;
  const int y = blockIdx.y * BY + ty;
  const int z0 = blockIdx.z * TZ;
${boxFill(o)}
  __syncthreads();
${boxCompute(o)}
}
`;
    const blocks: [number, number, number] = [
      grid.nx / block[0],
      grid.ny / block[1],
      ceilDiv(grid.nz, block[2] * depth),
    ];
    const bytes = o["memory"] === "dynamic" ? boxBytes(o) : 0;
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args], bytes)] };
  },
};

function ringFetch(o: Options): string {
  if (o["copy"] === 4) {
    return `  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < PITCH * (TY + 4); i += THREADS) {
    const int gx = min(max((int)blockIdx.x * TX - 4 + i % PITCH, 0), NX - 1);
    const int gy = min(max((int)blockIdx.y * TY - 2 + i / PITCH, 0), NY - 1);
    __pipeline_memcpy_async(slot + i, u + (z * NY + gy) * NX + gx, 4);
  }`;
  }
  return `  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < PITCH / 4 * (TY + 4); i += THREADS) {
    const int gx = min(max((int)blockIdx.x * TX - 4 + 4 * (i % (PITCH / 4)), 0), NX - 4);
    const int gy = min(max((int)blockIdx.y * TY - 2 + i / (PITCH / 4), 0), NY - 1);
    __pipeline_memcpy_async(slot + 4 * i, u + (z * NY + gy) * NX + gx, 16);
  }`;
}

function ringScalar(o: Options): string {
  const taps = o["column"] === "ring" ? ["m2[at]", "m1[at]", "p1[at]", "p2[at]"] : ["b2", "b1", "p1[at]", "p2[at]"];
  const near = ["c0[at - 1]", "c0[at + 1]", "c0[at - PITCH]", "c0[at + PITCH]", taps[1], taps[2]] as string[];
  const far = ["c0[at - 2]", "c0[at + 2]", "c0[at - 2 * PITCH]", "c0[at + 2 * PITCH]", taps[0], taps[3]] as string[];
  return `    const float c = c0[at];
    float value = c;
    if (x >= 2 && x < NX - 2 && y >= 2 && y < NY - 2 && z >= 2 && z < NZ - 2) {
      value = ${combine(o["sum"], "c", near, far)};
    }
    ${write(o["store"], "out[(z * NY + y) * NX + x]", "value")}`;
}

function ringVector(o: Options): string {
  const quad = (place: string): string => `*reinterpret_cast<const float4*>(${place})`;
  const ring = o["column"] === "ring";
  const row = ["l.z", "l.w", "c.x", "c.y", "c.z", "c.w", "r.x", "r.y"];
  const lanes = ["x", "y", "z", "w"].map((k, j) => {
    const near = [row[j + 1], row[j + 3], `n1.${k}`, `s1.${k}`, `${ring ? "d1" : "b1"}.${k}`, `t1.${k}`] as string[];
    const far = [row[j], row[j + 4], `n2.${k}`, `s2.${k}`, `${ring ? "d2" : "b2"}.${k}`, `t2.${k}`] as string[];
    const edge = j < 2 ? "x > 0" : "x < NX - 4";
    return `      if (${edge}) value.${k} = ${combine(o["sum"], `c.${k}`, near, far)};`;
  });
  return `    const float4 c = ${quad("c0 + at")};
    float4 value = c;
    if (y >= 2 && y < NY - 2 && z >= 2 && z < NZ - 2) {
      const float4 l = ${quad("c0 + at - 4")}, r = ${quad("c0 + at + 4")};
      const float4 n1 = ${quad("c0 + at - PITCH")}, s1 = ${quad("c0 + at + PITCH")};
      const float4 n2 = ${quad("c0 + at - 2 * PITCH")}, s2 = ${quad("c0 + at + 2 * PITCH")};
${ring ? `      const float4 d1 = ${quad("m1 + at")}, d2 = ${quad("m2 + at")};\n` : ""}      const float4 t1 = ${quad("p1 + at")}, t2 = ${quad("p2 + at")};
${lanes.join("\n")}
    }
    ${write(o["store"], "*reinterpret_cast<float4*>(&out[(z * NY + y) * NX + x])", "value").replace("&*", "")}`;
}

function ringLoop(o: Options): string {
  const ring = o["column"] === "ring";
  const vector = o["width"] === 4;
  const type = vector ? "float4" : "float";
  const cell = (z: string): string => {
    const place = `u + (min(max(${z}, 0), NZ - 1) * NY + y) * NX + x`;
    return vector ? `*reinterpret_cast<const float4*>(${place})` : `*(${place})`;
  };
  const first = ring ? "z0 - 2" : "z0";
  const slot = (z: string): string => `ring + (${z} - z0${ring ? " + 2" : ""}) % PLANES * SLOT`;
  return `${ring ? "" : `  ${type} b2 = ${cell("z0 - 2")};\n  ${type} b1 = ${cell("z0 - 1")};\n`}  for (int z = ${first}; z < z0 + 2 + AHEAD; ++z) {
    fetch(${slot("z")}, u, min(max(z, 0), NZ - 1));
    __pipeline_commit();
  }
  for (int z = z0; z < z1; ++z) {
    __pipeline_wait_prior(AHEAD - 1);
    __syncthreads();
    const int next = z + 2 + AHEAD;
    if (next < z1 + 2) fetch(${slot("next")}, u, min(next, NZ - 1));
    __pipeline_commit();
${ring ? `    const float* m2 = ${slot("z - 2")};\n    const float* m1 = ${slot("z - 1")};\n` : ""}    const float* c0 = ${slot("z")};
    const float* p1 = ${slot("z + 1")};
    const float* p2 = ${slot("z + 2")};
${vector ? ringVector(o) : ringScalar(o)}
${ring ? "" : "    b2 = b1;\n    b1 = c;\n"}  }`;
}

/** Planes arrive by asynchronous copies in a ring of slots in shared memory. */
export const asyncRing: Template = {
  id: "plane-ring",
  from: "plane-tile",
  idea: "Bring whole planes into a ring of shared slots with asynchronous copies ahead of their use",
  options: {
    column: ["ring", "registers"],
    width: [1, 4],
    copy: [4, 16],
    sum: ["grouped", "fma", "terms"],
    store: ["plain", "__stcs"],
    bounds: [false, true],
    ahead: [1, 2, 3],
    chunk: [48, 24, 96],
    tile: ["64x8", "64x4", "128x8", "32x16"],
  },
  count: 31,
  write(o, s) {
    const grid = gridOf("constexpr", s);
    const [tx, ty] = shape(o["tile"]);
    const [width, ahead, chunk] = [int(o, "width"), int(o, "ahead"), int(o, "chunk")];
    const planes = (o["column"] === "ring" ? 5 : 3) + ahead;
    const bounds = o["bounds"] ? "__launch_bounds__(THREADS) " : "";
    const source = `#include <cuda_pipeline.h>

constexpr int NX = ${grid.nx}, NY = ${grid.ny}, NZ = ${grid.nz};
constexpr int TX = ${tx}, TY = ${ty}, CHUNK = ${chunk};
constexpr int THREADS = ${(tx / width) * ty};
constexpr int AHEAD = ${ahead};
constexpr int PLANES = ${planes};
constexpr int PITCH = TX + 8;
constexpr int SLOT = PITCH * (TY + 4);

// Starts copying the tile of plane z, two rows and four columns wider on each side.
__device__ __forceinline__ void fetch(float* slot, const float* __restrict__ u, int z) {
${ringFetch(o)}
}

extern "C" __global__ void ${bounds}sweep(${pointers(true)}) {
  extern __shared__ __align__(16) float ring[];
  const int x = blockIdx.x * TX + threadIdx.x${width === 4 ? " * 4" : ""};
  const int y = blockIdx.y * TY + threadIdx.y;
  const int at = (threadIdx.y + 2) * PITCH + threadIdx.x${width === 4 ? " * 4" : ""} + 4;
  const int z0 = blockIdx.z * CHUNK;
  const int z1 = min(z0 + CHUNK, NZ);
${ringLoop(o)}
}
`;
    const blocks: [number, number, number] = [grid.nx / tx, grid.ny / ty, ceilDiv(grid.nz, chunk)];
    const bytes = 4 * planes * (tx + 8) * (ty + 4);
    return { source, launches: [launch(blocks, [tx / width, ty, 1], ["u", "out"], bytes)] };
  },
};
