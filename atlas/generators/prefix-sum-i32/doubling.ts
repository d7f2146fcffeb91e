import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

/** Launches that first sum a short window in front of every number. */
function windowKernel(start: "plain" | "window" | "tile", mark: string): string {
  if (start === "plain") return "";
  if (start === "window")
    return `
      // Sums of the 16 numbers that end at i.
      extern "C" __global__ void short_windows(const int*${mark} x, int*${mark} to) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        int v = 0;
        #pragma unroll
        for (int k = 0; k < 16; ++k) {
          if (i >= k) v += x[i - k];
        }
        to[i] = v;
      }
    `;
  return `
      // Sums of the 64 numbers that end at i; the tile has 64 numbers of rim on its left.
      extern "C" __global__ void short_windows(const int*${mark} x, int*${mark} to) {
        __shared__ int cell[320];
        const int t = threadIdx.x;
        const int left = blockIdx.x * 256 - 64;
        for (int k = t; k < 320; k += 256) cell[k] = left + k >= 0 ? x[left + k] : 0;
        for (int d = 1; d < 64; d *= 2) {
          __syncthreads();
          const int a = t >= d ? cell[t - d] : 0;
          const int b = t < 64 ? cell[t + 256 - d] : 0;
          __syncthreads();
          cell[t] += a;
          if (t < 64) cell[t + 256] += b;
        }
        __syncthreads();
        to[blockIdx.x * 256 + t] = cell[t + 64];
      }
    `;
}

/** log(n) passes over the whole vector. */
export const doubling: Template = template({
  id: "doubling-passes",
  from: "chunk-per-thread",
  idea: "Let every number's sum reach several times further in each pass over the whole vector.",
  options: {
    start: ["plain", "window", "tile"],
    radix: [4, 2, 8, 16],
    vector: [false, true],
    style: ["if", "select", "break"],
    restrict: [true, false],
    stride: [false, true],
    index: ["int", "unsigned"],
    block: [256, 128, 512, 1024],
  },
  valid: ({ style, radix, start }) => (style !== "break" || radix > 2) && (radix > 2 || start !== "plain"),
  count: 24,
  write: ({ start, radix, vector, style, restrict, stride, index, block }, { n = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const reaches: number[] = [];
    for (let reach = { plain: 1, window: 16, tile: 64 }[start]; reach < n; reach *= radix) reaches.push(reach);
    const [odd, even] = reaches.length % 2 === 1 ? (["out", "aux"] as const) : (["aux", "out"] as const);
    const wide = (reach: number): boolean => vector && reach >= 4;
    const sum = (kind: "int" | "int4", at: string): string =>
      kind === "int"
        ? `v += from[${at}];`
        : `const int4 u = from[${at}];\nv.x += u.x;\nv.y += u.y;\nv.z += u.z;\nv.w += u.w;`;
    const add = (kind: "int" | "int4"): string => {
      if (style === "break")
        return `for (int k = 1; k < ${radix}; ++k) {\nif (k * reach > (int)i) break;\n${sum(kind, "i - k * reach")}\n}`;
      return repeat(radix - 1, (k) =>
        style === "select" && kind === "int"
          ? `v += (int)i >= ${k + 1} * reach ? from[i - ${k + 1} * reach] : 0;`
          : `if ((int)i >= ${k + 1} * reach) {\n${sum(kind, `i - ${k + 1} * reach`)}\n}`,
      );
    };
    const type = index === "int" ? "int" : "unsigned int";
    const kernel = (name: string, kind: "int" | "int4"): string => `
      extern "C" __global__ void ${name}(const ${kind}*${mark} from, ${kind}*${mark} to, int reach, int count) {
        ${
          stride
            ? `for (${type} i = blockIdx.x * blockDim.x + threadIdx.x; i < (${type})count; i += gridDim.x * blockDim.x) {`
            : `const ${type} i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i >= (${type})count) return;`
        }
        ${kind} v = from[i];
        ${add(kind)}
        to[i] = v;
        ${on(stride, "}")}
      }
    `;
    const source = `
      ${windowKernel(start, mark)}
      ${on(
        reaches.some((reach) => !wide(reach)),
        kernel("add_reach", "int"),
      )}
      ${on(reaches.some(wide), kernel("add_reach_wide", "int4"))}
    `;
    const steps = reaches.map((reach, k) => {
      const [from, to] = k % 2 === 0 ? [k === 0 && start === "plain" ? "x" : even, odd] : [odd, even];
      const unit = wide(reach) ? 4 : 1;
      const grid = stride ? 132 * 4 : Math.ceil(n / unit / block);
      const name = unit === 4 ? "add_reach_wide" : "add_reach";
      return launch(name, grid, block, [from, to, { i32: reach / unit }, { i32: n / unit }]);
    });
    const before = start === "plain" ? [] : [launch("short_windows", n / 256, 256, ["x", even])];
    return styled({ source, launches: [...before, ...steps] }, { names: "snake", indent: 2 });
  },
});
