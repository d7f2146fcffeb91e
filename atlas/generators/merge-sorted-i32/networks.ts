import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

/** Merging networks over a row in shared memory. */
export const networks: Template = template({
  id: "networks",
  from: null,
  idea: "Merge pairs in shared memory by a network of exchanges that does not depend on the numbers.",
  options: {
    network: ["bitonic", "odd-even"],
    barrier: ["block", "warp"],
    exchange: ["minmax", "branch", "select"],
    load: ["scalars", "vector"],
    levels: ["loop", "written"],
    mapping: ["shift", "divide"],
    bounds: [false, true],
    block: [512, 1024, 256],
  },
  count: 31,
  write: ({ network, barrier, exchange, load, levels, mapping, bounds, block }, { rows = 0 }) => {
    const swap = {
      minmax: "const int p = cells[i], q = cells[k];\ncells[i] = min(p, q);\ncells[k] = max(p, q);",
      branch: "const int p = cells[i], q = cells[k];\nif (p > q) {\ncells[i] = q;\ncells[k] = p;\n}",
      select:
        "const int p = cells[i], q = cells[k];\nconst bool turn = q < p;\ncells[i] = turn ? q : p;\ncells[k] = turn ? p : q;",
    }[exchange];
    // Pair t of a step of a stride: blocks of two strides.
    const place =
      mapping === "shift" ? "((t & ~(stride - 1)) << 1) + (t & (stride - 1))" : "t / stride * 2 * stride + t % stride";
    const first =
      network === "bitonic"
        ? `
          const int i = t / width * 2 * width + t % width;
          const int k = t / width * 2 * width + 2 * width - 1 - t % width;
          ${swap}`
        : `
          const int i = t / width * 2 * width + t % width;
          const int k = i + width;
          ${swap}`;
    const later =
      network === "bitonic"
        ? `
          const int i = ${place};
          const int k = i + stride;
          ${swap}`
        : `
          // Every second gap of the pair: from the upper part of a block of two strides to the lower part of the next.
          const int i = ${place} + stride;
          const int k = i + stride;
          if ((i & (2 * width - 1)) + stride < 2 * width) {
            ${swap}
          }`;
    const wait =
      barrier === "block" || network === "odd-even"
        ? "__syncthreads();"
        : "if (stride > 32) __syncthreads();\nelse __syncwarp();";
    const level = (width: string): string => `
      {
        const int width = ${width};
        for (int t = threadIdx.x; t < 2048; t += THREADS) {
          ${first}
        }
        __syncthreads();
        for (int stride = width / 2; stride > 0; stride /= 2) {
          for (int t = threadIdx.x; t < 2048; t += THREADS) {
            ${later}
          }
          ${wait}
        }
        ${on(barrier === "warp" && network === "bitonic", "__syncthreads();")}
      }`;
    const all =
      levels === "loop"
        ? `for (int size = 256; size < 4096; size *= 2) ${level("size").trim()}`
        : [256, 512, 1024, 2048].map((width) => level(String(width))).join("\n");
    const source = `
      #define THREADS ${block}

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}exchange_rows(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ __align__(16) int cells[4096];
        ${
          load === "vector"
            ? "for (int k = threadIdx.x; k < 1024; k += THREADS) reinterpret_cast<int4*>(cells)[k] = reinterpret_cast<const int4*>(x)[blockIdx.x * 1024 + k];"
            : "for (int k = threadIdx.x; k < 4096; k += THREADS) cells[k] = x[blockIdx.x * 4096 + k];"
        }
        __syncthreads();
        ${all}
        ${
          load === "vector"
            ? "for (int k = threadIdx.x; k < 1024; k += THREADS) reinterpret_cast<int4*>(y)[blockIdx.x * 1024 + k] = reinterpret_cast<const int4*>(cells)[k];"
            : "for (int k = threadIdx.x; k < 4096; k += THREADS) y[blockIdx.x * 4096 + k] = cells[k];"
        }
      }
    `;
    return styled(
      { source, launches: [launch("exchange_rows", rows, block, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The first levels in a warp's registers, the others by ranks in shared memory. */
export const registerStart: Template = template({
  id: "register-start",
  from: "networks",
  idea: "Merge the first pairs in the registers of a warp by a bitonic network and only the longer ones in shared memory.",
  options: {
    first: ["one", "two", "three"],
    exchange: ["select", "minmax"],
    order: ["striped", "blocked"],
    rest: ["path", "rank", "network"],
    find: ["while", "steps"],
    last: ["staged", "direct"],
    bounds: [true, false],
  },
  valid: ({ rest, last, find }) => !(rest === "network" && (last === "direct" || find === "steps")),
  count: 24,
  write: ({ first, exchange, order, rest, find, last, bounds }, { rows = 0 }) => {
    const each = { one: 16, two: 32, three: 64 }[first];
    const threads = 4096 / each;
    const width = 32 * each;
    const source = `
      #define EACH ${each}
      #define THREADS ${threads}
      #define SPAN (32 * EACH)

      ${exchangeFunctions(exchange)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}merge_in_two_stages(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ int cells[4096];
        const int lane = threadIdx.x & 31, base = threadIdx.x / 32 * SPAN;
        const int* from = x + blockIdx.x * 4096;
        int* to = y + blockIdx.x * 4096;
        int v[EACH];
        ${registerLevels(order, each)}
        __syncthreads();
        ${laterLevels(rest, find, last, width)}
        ${on(last === "staged", "for (int k = threadIdx.x; k < 4096; k += THREADS) to[k] = cells[k];")}
      }
    `;
    return styled(
      { source, launches: [launch("merge_in_two_stages", rows, threads, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

function exchangeFunctions(exchange: "select" | "minmax"): string {
  const own =
    exchange === "minmax"
      ? "const int low = min(p, q), high = max(p, q);\np = low;\nq = high;"
      : "const bool turn = q < p;\nconst int kept = p;\np = turn ? q : p;\nq = turn ? kept : q;";
  const across =
    exchange === "minmax"
      ? "return upper ? max(mine, other) : min(mine, other);"
      : "return (mine < other) == upper ? other : mine;";
  return `
    __device__ __forceinline__ void exchange(int& p, int& q) {
      ${own}
    }

    // What a lane keeps of its number and another lane's.
    __device__ __forceinline__ int kept_of(int mine, int other, bool upper) {
      ${across}
    }
  `;
}

/** Merges pairs of runs of 256, then of 512 ... in registers; number k of lane l is at 32 k + l, or at EACH l + k when blocked. */
function registerLevels(order: "striped" | "blocked", each: number): string {
  const widths = [256, 512, 1024].filter((width) => 2 * width <= 32 * each);
  if (order === "striped") {
    const level = (width: number): string => {
      const registers = (2 * width) / 32;
      return `
        #pragma unroll
        for (int g = 0; g < EACH; g += ${registers}) {
          #pragma unroll
          for (int k = 0; k < ${registers / 2}; ++k) {
            const int a = v[g + k], b = v[g + ${registers - 1} - k];
            const int from_b = __shfl_xor_sync(0xffffffffu, b, 31), from_a = __shfl_xor_sync(0xffffffffu, a, 31);
            v[g + k] = min(a, from_b);
            v[g + ${registers - 1} - k] = max(b, from_a);
          }
        }
        #pragma unroll
        for (int stride = ${registers / 4}; stride > 0; stride /= 2) {
          #pragma unroll
          for (int k = 0; k < EACH; ++k) {
            if ((k & stride) == 0) exchange(v[k], v[k + stride]);
          }
        }
        #pragma unroll
        for (int stride = 16; stride > 0; stride /= 2) {
          #pragma unroll
          for (int k = 0; k < EACH; ++k) v[k] = kept_of(v[k], __shfl_xor_sync(0xffffffffu, v[k], stride), (lane & stride) != 0);
        }`;
    };
    return `
      #pragma unroll
      for (int k = 0; k < EACH; ++k) v[k] = from[base + 32 * k + lane];
      ${widths.map(level).join("\n")}
      #pragma unroll
      for (int k = 0; k < EACH; ++k) cells[base + 32 * k + lane] = v[k];`;
  }
  const level = (width: number): string => {
    const lanes = (2 * width) / each;
    const halvings = repeat(Math.log2(lanes / 2), (k) => {
      const stride = lanes / 4 / 2 ** k;
      return stride >= 1
        ? `#pragma unroll\nfor (int k = 0; k < EACH; ++k) v[k] = kept_of(v[k], __shfl_xor_sync(0xffffffffu, v[k], ${stride}), (lane & ${stride}) != 0);`
        : "";
    });
    return `
      #pragma unroll
      for (int k = 0; k < EACH / 2; ++k) {
        // Mirrored lanes exchange mirrored numbers.
        const int a = __shfl_xor_sync(0xffffffffu, v[EACH - 1 - k], ${lanes - 1});
        const int b = __shfl_xor_sync(0xffffffffu, v[k], ${lanes - 1});
        v[k] = kept_of(v[k], a, (lane & ${lanes / 2}) != 0);
        v[EACH - 1 - k] = kept_of(v[EACH - 1 - k], b, (lane & ${lanes / 2}) != 0);
      }
      ${halvings}
      #pragma unroll
      for (int stride = EACH / 2; stride > 0; stride /= 2) {
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          if ((k & stride) == 0) exchange(v[k], v[k + stride]);
        }
      }`;
  };
  return `
    // The warp's numbers arrive in order and are dealt out through shared memory.
    for (int k = 0; k < EACH; ++k) cells[base + 32 * k + lane] = from[base + 32 * k + lane];
    __syncwarp();
    #pragma unroll
    for (int k = 0; k < EACH; ++k) v[k] = cells[base + EACH * lane + k];
    ${widths.map(level).join("\n")}
    __syncwarp();
    #pragma unroll
    for (int k = 0; k < EACH; ++k) cells[base + EACH * lane + k] = v[k];`;
}

function laterLevels(
  rest: "path" | "rank" | "network",
  find: "while" | "steps",
  last: "staged" | "direct",
  width: number,
): string {
  if (rest === "network") {
    return `
      for (int width = ${width}; width < 4096; width *= 2) {
        for (int t = threadIdx.x; t < 2048; t += THREADS) {
          const int start = t / width * 2 * width, at = t % width;
          exchange(cells[start + at], cells[start + 2 * width - 1 - at]);
        }
        __syncthreads();
        for (int stride = width / 2; stride > 0; stride /= 2) {
          for (int t = threadIdx.x; t < 2048; t += THREADS) {
            const int at = 2 * t - (t & (stride - 1));
            exchange(cells[at], cells[at + stride]);
          }
          __syncthreads();
        }
      }`;
  }
  const finish = (place: string, value: string): string =>
    last === "direct"
      ? `
        if (2 * width == 4096) {
          #pragma unroll
          for (int k = 0; k < EACH; ++k) to[${place}] = ${value};
          break;
        }`
      : "";
  const back = (place: string): string => `
    ${finish(place, "v[k]")}
    __syncthreads();
    #pragma unroll
    for (int k = 0; k < EACH; ++k) cells[${place}] = v[k];
    __syncthreads();`;
  return rest === "rank" ? rankLevels(find, width, back("place[k]")) : pathLevels(find, width, back("at + k"));
}

function rankLevels(find: "while" | "steps", width: number, back: string): string {
  const search =
    find === "while"
      ? `
          int low = 0, high = width;
          while (low < high) {
            const int middle = (low + high) / 2;
            if (partner[middle] < value || (right && partner[middle] == value)) low = middle + 1;
            else high = middle;
          }`
      : `
          int low = 0;
          for (int step = width; step > 0; step /= 2) {
            if (low + step <= width && (partner[low + step - 1] < value || (right && partner[low + step - 1] == value))) low += step;
          }`;
  return `
      int place[EACH];
      for (int width = ${width}; width < 4096; width *= 2) {
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          const int at = k * THREADS + threadIdx.x;
          const int value = cells[at];
          const bool right = (at & width) != 0;
          const int* partner = cells + ((at & ~(width - 1)) ^ width);
          ${search}
          v[k] = value;
          place[k] = (at & ~(2 * width - 1)) + (at & (width - 1)) + low;
        }
        ${back}
      }`;
}

function pathLevels(find: "while" | "steps", width: number, back: string): string {
  const cut =
    find === "while"
      ? `
        int low = max(0, diagonal - width), high = min(diagonal, width);
        while (low < high) {
          const int middle = (low + high) / 2;
          if (a[middle] <= b[diagonal - 1 - middle]) low = middle + 1;
          else high = middle;
        }`
      : `
        int low = max(0, diagonal - width);
        const int most = min(diagonal, width);
        for (int step = width; step > 0; step /= 2) {
          if (low + step <= most && a[low + step - 1] <= b[diagonal - low - step]) low += step;
        }`;
  return `
    const int at = threadIdx.x * EACH;
    for (int width = ${width}; width < 4096; width *= 2) {
      const int diagonal = at & (2 * width - 1);
      const int* a = cells + at - diagonal;
      const int* b = a + width;
      ${cut}
      int i = low, j = diagonal - low;
      #pragma unroll
      for (int k = 0; k < EACH; ++k) {
        const bool take_a = j >= width || (i < width && a[i] <= b[j]);
        v[k] = take_a ? a[i] : b[j];
        i += take_a ? 1 : 0;
        j += take_a ? 0 : 1;
      }
      ${back}
    }`;
}
