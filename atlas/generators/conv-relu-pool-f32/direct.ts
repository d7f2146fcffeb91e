import { on, styled, template } from "../kit/code.ts";
import { launch3, pair, shapeOf } from "./shape.ts";

/** The four sums of a window from a patch of six rows and columns in registers. */
function patchSums(
  get: (place: string) => string,
  inside: string,
  cell: string,
  keep: (sum: string) => string,
): string {
  return `float s00 = ${get("bias[f]")}, s01 = s00, s10 = s00, s11 = s00;
      for (int c = 0; c < 8; c++) {
        float patch[6][6];
        #pragma unroll
        for (int r = 0; r < 6; r++) {
          #pragma unroll
          for (int k = 0; k < 6; k++) {
            int iy = 2 * py + r - 2;
            int ix = 2 * px + k - 2;
            patch[r][k] = ${inside} ? ${cell} : 0.0f;
          }
        }
        #pragma unroll
        for (int ky = 0; ky < 5; ky++) {
          #pragma unroll
          for (int kx = 0; kx < 5; kx++) {
            float t = ${get("weight[((f * 8 + c) * 5 + ky) * 5 + kx]")};
            s00 += t * patch[ky][kx];
            s01 += t * patch[ky][kx + 1];
            s10 += t * patch[ky + 1][kx];
            s11 += t * patch[ky + 1][kx + 1];
          }
        }
      }
      ${["s00", "s01", "s10", "s11"].map(keep).join("\n")}`;
}

/** One thread per pooled output with every sum from global memory. */
export const pooledThread = template({
  id: "pooled-thread",
  from: null,
  idea: "Map neighbouring threads to neighbouring pooled pixels of one filter",
  options: {
    order: ["window-outer", "window-inner", "patch"],
    bounds: ["branch", "select", "unsigned"],
    read: ["plain", "__ldg"],
    relu: ["start", "each", "end"],
    restrict: [false, true],
    unroll: [false, true],
    size: ["args", "define"],
    block: ["32x8", "16x16", "64x4", "32x4", "64x1"],
  },
  valid: (o) => !(o.order === "patch" && o.bounds === "branch"),
  count: 28,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const mark = on(o.restrict, " __restrict__");
    const get = (p: string): string => (o.read === "plain" ? p : `__ldg(&${p})`);
    const inside = (y: string, x: string): string =>
      o.bounds === "unsigned"
        ? `(unsigned)(${y}) < (unsigned)h && (unsigned)(${x}) < (unsigned)w`
        : `${y} >= 0 && ${y} < h && ${x} >= 0 && ${x} < w`;
    const cell = (y: string, x: string): string => get(`x[((image * 8 + c) * h + ${y}) * w + ${x}]`);
    const tap = get("weight[((f * 8 + c) * 5 + ky) * 5 + kx]");
    const add = (sum: string): string =>
      o.bounds === "select"
        ? `${sum} += (${inside("iy", "ix")} ? ${cell("iy", "ix")} : 0.0f) * ${tap};`
        : `if (${inside("iy", "ix")}) ${sum} += ${cell("iy", "ix")} * ${tap};`;
    const pragma = on(o.unroll, "#pragma unroll");
    const loops = (inner: string): string => `for (int c = 0; c < 8; c++) {
        ${pragma}
        for (int ky = 0; ky < 5; ky++) {
          ${pragma}
          for (int kx = 0; kx < 5; kx++) {
            ${inner}
          }
        }
      }`;
    const keep = (sum: string): string =>
      o.relu === "each" ? `best = fmaxf(best, fmaxf(${sum}, 0.0f));` : `best = fmaxf(best, ${sum});`;
    const start = o.relu === "end" ? "-3.0e38f" : "0.0f";
    const outer = `for (int q = 0; q < 4; q++) {
        float sum = ${get("bias[f]")};
        ${loops(`int iy = 2 * py + (q >> 1) + ky - 2;\nint ix = 2 * px + (q & 1) + kx - 2;\n${add("sum")}`)}
        ${keep("sum")}
      }`;
    const inner = `float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      ${loops(`#pragma unroll
        for (int q = 0; q < 4; q++) {
          int iy = 2 * py + (q >> 1) + ky - 2;
          int ix = 2 * px + (q & 1) + kx - 2;
          ${add("sums[q]")}
        }`)}
      for (int q = 0; q < 4; q++) {
        float sum = sums[q] + ${get("bias[f]")};
        ${keep("sum")}
      }`;
    const patch = patchSums(get, inside("iy", "ix"), cell("iy", "ix"), keep);
    const body = { "window-outer": outer, "window-inner": inner, patch }[o.order];
    const source = `${on(o.size === "define", `#define h ${h}\n#define w ${w}\n`)}
      extern "C" __global__ void conv_pool(const float*${mark} x, const float*${mark} weight, const float*${mark} bias, float*${mark} out${on(o.size === "args", ", int h, int w")}) {
        int px = blockIdx.x * blockDim.x + threadIdx.x;
        int py = blockIdx.y * blockDim.y + threadIdx.y;
        int f = blockIdx.z % 16;
        int image = blockIdx.z / 16;
        float best = ${start};
        ${body}
        out[((image * 16 + f) * (h / 2) + py) * (w / 2) + px] = ${o.relu === "end" ? "fmaxf(best, 0.0f)" : "best"};
      }
    `;
    const [bx, by] = pair(o.block);
    const numbers = o.size === "args" ? [{ i32: h }, { i32: w }] : [];
    return styled(
      {
        source,
        launches: [
          launch3("conv_pool", [pw / bx, ph / by, 16 * n], [bx, by, 1], ["x", "weight", "bias", "out", ...numbers]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
