import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addProduct, csr, parameters } from "./parts.ts";

/** Where a lane that has an entry to itself finds the row of a. */
const leftSources = {
  shared: {
    prepare: `left_rows[warp][lane] = a[row * 64 + lane];
    left_rows[warp][lane + 32] = a[row * 64 + lane + 32];
    __syncwarp();`,
    quad: (k: string): string => `*reinterpret_cast<const float4*>(&left_rows[warp][${k}])`,
  },
  global: {
    prepare: "",
    quad: (k: string): string => `*reinterpret_cast<const float4*>(a + row * 64 + ${k})`,
  },
  registers: {
    prepare: `float4 x[16];
    #pragma unroll
    for (int q = 0; q < 16; ++q) x[q] = reinterpret_cast<const float4*>(a + row * 64)[q];`,
    quad: (k: string): string => `x[(${k}) / 4]`,
  },
  shuffled: {
    prepare: "const float x0 = a[row * 64 + lane], x1 = a[row * 64 + lane + 32];",
    quad: (): string => "",
  },
} as const;

/** The product of a lane's own entry: b's row is read by quads, a's row is the same for all lanes. */
function laneDot(o: { left: keyof typeof leftSources; chains: number; unroll: string }): string {
  const sums = repeat(o.chains, (i) => `s${i} = 0.0f`, ", ");
  const total = repeat(o.chains, (i) => `s${i}`, " + ");
  if (o.left === "shuffled") {
    const part = (half: number): string => `${o.unroll}for (int k = 0; k < 32; k += 4) {
        const float4 v = y[k / 4 + ${half * 8}];
        s0 += __shfl_sync(0xffffffffu, x${half}, k) * v.x;
        s0 += __shfl_sync(0xffffffffu, x${half}, k + 1) * v.y;
        s${o.chains - 1} += __shfl_sync(0xffffffffu, x${half}, k + 2) * v.z;
        s${o.chains - 1} += __shfl_sync(0xffffffffu, x${half}, k + 3) * v.w;
      }`;
    return `float ${sums};\n${part(0)}\n${part(1)}\nconst float sum = ${total};`;
  }
  const { quad } = leftSources[o.left];
  const step = (i: number): string => `{
        const float4 u = ${quad(`k + ${4 * i}`)};
        const float4 v = y[k / 4 + ${i}];
        ${addProduct("float4", `s${i}`, "u", "v", i % 2 === 0)}
      }`;
  return `float ${sums};
      ${o.left === "registers" ? "#pragma unroll\n" : o.unroll}for (int k = 0; k < 64; k += ${4 * o.chains}) {
        ${repeat(o.chains, step)}
      }
      const float sum = ${total};`;
}

export const laneEntries = template({
  id: "lane-entries",
  from: "thread-entries",
  count: 24,
  idea: "give each lane of a row's warp an entry of its own, so that nothing is left to sum across lanes",
  options: {
    left: ["global", "shared", "registers", "shuffled"],
    chains: [1, 2, 4],
    unroll: ["", "#pragma unroll\n", "#pragma unroll 1\n"],
    together: ["warp", "block"],
    store: ["late scale", "early scale"],
    restrict: [true, false],
    bounded: [false, true],
    block: [128, 64, 256],
  },
  valid: (o) => (o.left !== "shuffled" || o.chains < 4) && (o.together === "warp" || o.left !== "shuffled"),
  write(o, { m = 0 }) {
    const warps = o.block / 32;
    const byBlock = o.together === "block";
    const guard = o.left === "shuffled";
    const dot = laneDot(o);
    const scale = o.store === "early scale" ? "const float factor = scale[e];" : "";
    const factor = o.store === "early scale" ? "factor" : "scale[e]";
    const one = `const float4* y = reinterpret_cast<const float4*>(b + cols[e] * 64);
      ${scale}
      ${dot}`;
    const loop = guard
      ? `for (int j = row_ptr[row]; j < end; j += 32) {
      const int e = min(j + lane, end - 1);
      ${one}
      if (j + lane < end) out[e] = sum * ${factor};
    }`
      : `for (int e = row_ptr[row] + ${byBlock ? "threadIdx.x" : "lane"}; e < end; e += ${byBlock ? o.block : 32}) {
      ${one}
      out[e] = sum * ${factor};
    }`;
    const source = `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}entry_per_lane(${parameters(csr, o.restrict)}) {
  ${on(o.left === "shared", `__shared__ __align__(16) float left_rows[${warps}][64];`)}
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row = ${byBlock ? "blockIdx.x" : `blockIdx.x * ${warps} + warp`};
  ${leftSources[o.left].prepare}
  const int end = row_ptr[row + 1];
  ${loop}
}
`;
    const grid = byBlock ? m : m / warps;
    return styled({ source, launches: [launch("entry_per_lane", grid, o.block, csr)] }, { names: "camel", indent: 2 });
  },
});

const planeTypes = { float: 1, float2: 2, float4: 4 } as const;

/** Copies b so that the k-th vectors of all its rows lie side by side. */
function planeKernel(vector: keyof typeof planeTypes, tiled: boolean, n: number): { code: string; grid: number } {
  const w = planeTypes[vector];
  const vectorsPerRow = 64 / w;
  if (!tiled)
    return {
      grid: (n * vectorsPerRow) / 256,
      code: `extern "C" __global__ void split_planes(const float* b, float* b_planes) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int k = i / ${n}, col = i % ${n};
  reinterpret_cast<${vector}*>(b_planes)[i] = reinterpret_cast<const ${vector}*>(b)[col * ${vectorsPerRow} + k];
}
`,
    };
  return {
    grid: n / 32,
    code: `extern "C" __global__ void split_planes(const float* b, float* b_planes) {
  __shared__ float tile[32][65];
  const int first = blockIdx.x * 32;
  for (int i = threadIdx.x; i < 2048; i += 256) tile[i / 64][i % 64] = b[first * 64 + i];
  __syncthreads();
  for (int i = threadIdx.x; i < 2048; i += 256) {
    const int k = i / ${32 * w}, col = i % ${32 * w} / ${w}, part = i % ${w};
    b_planes[(k * ${n} + first + col) * ${w} + part] = tile[col][k * ${w} + part];
  }
}
`,
  };
}

export const planes = template({
  id: "planes",
  from: "lane-entries",
  count: 24,
  idea: "transpose b into planes so that lanes with neighbouring columns read neighbouring words",
  options: {
    vector: ["float", "float4", "float2"],
    tiled: [false, true],
    left: ["global", "shared", "registers"],
    chains: [1, 2],
    unroll: ["", "#pragma unroll 8\n", "#pragma unroll 1\n"],
    together: ["warp", "block"],
    restrict: [true, false],
    block: [128, 256, 64],
  },
  valid: (o) => o.left !== "registers" || o.unroll === "",
  write(o, { m = 0, n = 0 }) {
    const w = planeTypes[o.vector];
    const plane = planeKernel(o.vector, o.tiled, n);
    const warps = o.block / 32;
    const byBlock = o.together === "block";
    const names = ["row_ptr", "cols", "scale", "a", "b_planes", "out"];
    const prepare = {
      global: `const ${o.vector}* left = reinterpret_cast<const ${o.vector}*>(a) + row * ${64 / w};`,
      shared: byBlock
        ? `__shared__ ${o.vector} left[${64 / w}];
  if (threadIdx.x < ${64 / w}) left[threadIdx.x] = reinterpret_cast<const ${o.vector}*>(a)[row * ${64 / w} + threadIdx.x];
  __syncthreads();`
        : `__shared__ ${o.vector} left_rows[${warps}][${64 / w}];
  ${o.vector}* left = left_rows[threadIdx.x / 32];
  for (int k = lane; k < ${64 / w}; k += 32) left[k] = reinterpret_cast<const ${o.vector}*>(a)[row * ${64 / w} + k];
  __syncwarp();`,
      registers: `${o.vector} left[${64 / w}];
  #pragma unroll
  for (int k = 0; k < ${64 / w}; ++k) left[k] = reinterpret_cast<const ${o.vector}*>(a)[row * ${64 / w} + k];`,
    }[o.left];
    const add = (i: number): string => {
      const at = i === 0 ? "k" : `k + ${i}`;
      if (o.vector === "float") return `s${i} += left[${at}] * planes[(${at}) * ${n}];`;
      return `{
        const ${o.vector} u = left[${at}], v = planes[(${at}) * ${n}];
        ${addProduct(o.vector, `s${i}`, "u", "v", false)}
      }`;
    };
    const source = `${plane.code}
extern "C" __global__ void sample_planes(${parameters(names, o.restrict)}) {
  const int lane = threadIdx.x % 32;
  const int row = ${byBlock ? "blockIdx.x" : `blockIdx.x * ${warps} + threadIdx.x / 32`};
  ${prepare}
  const int end = row_ptr[row + 1];
  for (int e = row_ptr[row] + ${byBlock ? "threadIdx.x" : "lane"}; e < end; e += ${byBlock ? o.block : 32}) {
    const ${o.vector}* planes = reinterpret_cast<const ${o.vector}*>(b_planes) + cols[e];
    float ${repeat(o.chains, (i) => `s${i} = 0.0f`, ", ")};
    ${o.left === "registers" ? "#pragma unroll\n" : o.unroll}for (int k = 0; k < ${64 / w}; k += ${o.chains}) {
      ${repeat(o.chains, add)}
    }
    out[e] = scale[e] * (${repeat(o.chains, (i) => `s${i}`, " + ")});
  }
}
`;
    const launches = [
      launch("split_planes", plane.grid, 256, ["b", "b_planes"]),
      launch("sample_planes", byBlock ? m : m / warps, o.block, names),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
