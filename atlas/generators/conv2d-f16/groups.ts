import { launch, on, styled, template } from "../kit/code.ts";
import { asyncHelpers } from "./instructions.ts";

/** The warpgroup instruction of 64 pixels by `bn` filters by 16 channels, both operands in shared memory. */
function groupInstruction(bn: number): string {
  const count = bn / 2;
  const numbers = Array.from({ length: count }, (_, i) => `%${i}`);
  const lines = Array.from(
    { length: count / 8 },
    (_, i) => `  "${numbers.slice(8 * i, 8 * i + 8).join(", ")}${on(i < count / 8 - 1, ", ")}"`,
  );
  const outputs = Array.from({ length: count / 8 }, (_, i) =>
    Array.from({ length: 8 }, (_unused, k) => `"+f"(d[${8 * i + k}])`).join(", "),
  );
  return `__device__ __forceinline__ void group_multiply(float (&d)[${count}], unsigned long long pixels, unsigned long long filters) {
  asm volatile("{ .reg .pred adding; setp.ne.b32 adding, %${count + 2}, 0; "
  "wgmma.mma_async.sync.aligned.m64n${bn}k16.f32.f16.f16 {"
${lines.join("\n")}
  "}, %${count}, %${count + 1}, adding, 1, 1, 0, 0; }"
  : ${outputs.join(",\n  ")}
  : "l"(pixels), "l"(filters), "r"(1));
}
`;
}

const groupHelpers = `// A tile of 128-byte rows, eight rows to a swizzled kilobyte.
__device__ __forceinline__ unsigned long long describe(unsigned from) {
  unsigned long long bits = (from & 0x3FFFFu) >> 4;
  bits |= 1ull << 16;
  bits |= 64ull << 32;
  bits |= 1ull << 62;
  return bits;
}
`;

const packKernels = {
  gather: {
    grid: 576,
    code: `extern "C" __global__ void pack_weights(const half* weight, half* packed) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  packed[i] = weight[(i / 16384 * 128 + i % 128) * 128 + i / 128 % 128];
}
`,
  },
  scatter: {
    grid: 576,
    code: `extern "C" __global__ void pack_weights(const half* weight, half* packed) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  packed[(i / 16384 * 128 + i % 128) * 128 + i / 128 % 128] = weight[i];
}
`,
  },
  tile: {
    grid: 144,
    code: `extern "C" __global__ void pack_weights(const half* weight, half* packed) {
  __shared__ half tile[32][33];
  const int tap = blockIdx.x / 16, c0 = blockIdx.x / 4 % 4 * 32, k0 = blockIdx.x % 4 * 32;
  const int across = threadIdx.x % 32;
  for (int down = threadIdx.x / 32; down < 32; down += 8) tile[down][across] = weight[(tap * 128 + c0 + down) * 128 + k0 + across];
  __syncthreads();
  for (int down = threadIdx.x / 32; down < 32; down += 8) packed[(tap * 128 + k0 + down) * 128 + c0 + across] = tile[across][down];
}
`,
  },
} as const;

interface GroupChoices {
  readonly tall: number;
  readonly groups: number;
  readonly bn: number;
  readonly kept: boolean;
}

/** The copy of one step's tiles by all threads, and with `kept` the taps that each of a thread's pixels has. */
function groupCopy(o: GroupChoices): Readonly<Record<"mask" | "copy", string>> {
  const rows = 16 * o.groups;
  const count = 4 * o.tall;
  const mask = `unsigned open_taps[${count}];
  #pragma unroll
  for (int i = 0; i < ${count}; ++i) {
    const int pixel = pixel0 + my_row + i * ${rows}, y = pixel / 64 % 64, z = pixel % 64;
    unsigned taps = 0x1FFu;
    if (y == 0) taps &= ~0x007u;
    if (y == 63) taps &= ~0x1C0u;
    if (z == 0) taps &= ~0x049u;
    if (z == 63) taps &= ~0x124u;
    open_taps[i] = taps;
  }`;
  const inside = o.kept
    ? `const bool inside = open_taps[i] >> tap & 1u;`
    : `const int pixel = pixel0 + row;
      const bool inside = (unsigned)(pixel / 64 % 64 + tap / 3 - 1) < 64u && (unsigned)(pixel % 64 + tap % 3 - 1) < 64u;`;
  const copy = `const int tap = step / 2;
    const int shift = ((tap / 3 - 1) * 64 + tap % 3 - 1) * 128 + step % 2 * 64;
    #pragma unroll
    for (int i = 0; i < ${count}; ++i) {
      const int row = my_row + i * ${rows};
      ${inside}
      const half* from = inside ? x + (pixel0 + row) * 128 + shift + my_chunk * 8 : x;
      async16(at + row * 128 + (my_chunk ^ row & 7) * 16, from, inside);
    }
    #pragma unroll
    for (int i = 0; i < ${o.bn / rows}; ++i) {
      const int row = my_row + i * ${rows};
      async16(at + BM * 128 + row * 128 + (my_chunk ^ row & 7) * 16, packed + (tap * 128 + filter0 + row) * 128 + step % 2 * 64 + my_chunk * 8, true);
    }`;
  return { mask: on(o.kept, mask), copy };
}

/** What one step does between the barrier and the next: products, the next copy, the wait; and what is left after the last. */
function groupStep(
  o: { readonly lag: boolean; readonly order: string },
  next: string,
): Readonly<Record<"step" | "last", string>> {
  const multiply = `{
      const unsigned at = base + now % STAGES * STAGE_BYTES;
      const unsigned long long filters = describe(at + BM * 128);
      asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
      #pragma unroll
      for (int t = 0; t < TALL; ++t) {
        const unsigned long long pixels = describe(at + (group * TALL + t) * 8192);
        #pragma unroll
        for (int slice = 0; slice < 4; ++slice) group_multiply(sum[t], pixels + 2 * slice, filters + 2 * slice);
      }
      asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    }`;
  const wait = (left: number): string => `asm volatile("wgmma.wait_group.sync.aligned ${left};" ::: "memory");`;
  const step = o.lag
    ? `${multiply}\n${wait(1)}\n${next}`
    : o.order === "products"
      ? `${multiply}\n${next}\n${wait(0)}`
      : `${next}\n${multiply}\n${wait(0)}`;
  return { step, last: on(o.lag, wait(0)) };
}

export const warpgroups = template({
  id: "warpgroups",
  from: "pipeline",
  count: 18,
  idea: "lay the weights out by filter and let warpgroups multiply straight from swizzled shared memory",
  options: {
    pack: ["gather", "tile", "scatter"],
    order: ["products", "copy"],
    lag: [false, true],
    kept: [false, true],
    bounded: [true, false],
    tall: [1, 2],
    groups: [2, 1],
    bn: [128, 64],
    stages: [3, 2, 4, 5],
  },
  valid: (o) => {
    const bytes = (o.groups * o.tall * 64 + o.bn) * 128 * o.stages + 1024;
    return bytes <= 225 * 1024 && (!o.lag || o.stages > 2) && (!o.lag || o.order === "products");
  },
  write(o, { n = 0 }) {
    const threads = 128 * o.groups;
    const bm = 64 * o.groups * o.tall;
    const pack = packKernels[o.pack];
    const { mask, copy } = groupCopy(o);
    const ahead = o.lag ? "STAGES - 2" : "STAGES - 1";
    const next = `{
      const int step = now + ${ahead};
      if (step < 18) {
        const unsigned at = base + step % STAGES * STAGE_BYTES;
        ${copy}
      }
      close_group();
    }`;
    const { step, last } = groupStep(o, next);
    const source = `#include <cuda_fp16.h>

constexpr int TALL = ${o.tall}, BM = ${bm}, BN = ${o.bn}, STAGES = ${o.stages}, STAGE_BYTES = (BM + BN) * 128;

${pack.code}
${asyncHelpers}${groupInstruction(o.bn)}${groupHelpers}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${threads}) `)}conv_groups(const half* __restrict__ x, const half* __restrict__ packed, half* __restrict__ out) {
  extern __shared__ unsigned char memory[];
  const unsigned base = ((unsigned)__cvta_generic_to_shared(memory) + 1023u) & ~1023u;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4, group = threadIdx.x / 128;
  const int my_row = threadIdx.x / 8, my_chunk = threadIdx.x % 8;
  const int pixel0 = blockIdx.x * BM, filter0 = blockIdx.y * BN;
  float sum[TALL][BN / 2] = {};
  ${mask}
  #pragma unroll
  for (int step = 0; step < ${ahead}; ++step) {
    const unsigned at = base + step * STAGE_BYTES;
    ${copy}
    close_group();
  }
  for (int now = 0; now < 18; ++now) {
    await_groups<${o.lag ? "STAGES - 3" : "STAGES - 2"}>();
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    ${step}
  }
  ${last}
  #pragma unroll
  for (int t = 0; t < TALL; ++t) {
    #pragma unroll
    for (int j = 0; j < BN / 8; ++j) {
      half* to = out + (pixel0 + (group * TALL + t) * 64 + warp * 16 + lane / 4) * 128 + filter0 + 8 * j + lane % 4 * 2;
      *reinterpret_cast<half2*>(to) = __floats2half2_rn(sum[t][4 * j], sum[t][4 * j + 1]);
      *reinterpret_cast<half2*>(to + 8 * 128) = __floats2half2_rn(sum[t][4 * j + 2], sum[t][4 * j + 3]);
    }
  }
}
`;
    const bytes = (bm + o.bn) * 128 * o.stages + 1024;
    const launches = [
      launch("pack_weights", pack.grid, 256, ["weight", "packed"]),
      launch("conv_groups", [(n * 4096) / bm, 128 / o.bn], threads, ["x", "packed", "out"], bytes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
