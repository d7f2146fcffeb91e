import type { KernelDraft, Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { loaded, plane, restricted } from "./shared.ts";

/** Each sweep split into two launches: weighted rows first, then their sums. */
export const twoPasses: Template = template({
  id: "row-then-column",
  from: "cell-per-thread",
  idea: "Form each row's weighted sums once, store them, and add three rows in a second launch.",
  options: {
    stored: ["outer", "both"],
    vector: [false, true],
    rows: ["one", "loop", "unrolled"],
    restrict: [false, true],
    kind: ["define", "constexpr", "enum"],
    block: [256, 128, 512],
    load: ["plain", "ldg"],
    edges: ["clamp", "branch"],
  },
  count: 26,
  write: ({ stored, vector, rows, restrict, kind, block, load, edges }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const both = stored === "both";
    const keep = restricted(restrict && !both);
    const get = (text: string): string => loaded(load, text);
    const count = rows === "one" ? 1 : 4;
    const each = (body: string): string =>
      count === 1
        ? `const int y = blockIdx.y;\n${body}`
        : `${on(rows === "unrolled", "#pragma unroll\n")}for (int k = 0; k < 4; ++k) {\nconst int y = 4 * blockIdx.y + k;\n${body}\n}`;
    const sides =
      edges === "clamp"
        ? `${get("from[max(i - 1, 0)]")} + ${get("from[min(i + 1, CELLS - 1)]")}`
        : `(x > 0 ? ${get("from[i - 1]")} : 0.0f) + (x < NX - 1 ? ${get("from[i + 1]")} : 0.0f)`;
    const source = `
      ${plane(sizes, kind)}
      const int CELLS = NX * NY;

      // Per cell: what it and its sides weigh in the rows above and below${on(both, ", then its sides in its own row")}.
      extern "C" __global__ void row_sums(const float*${keep} from, int from_at, float*${keep} sums) {
        const int x = blockIdx.x * ${block} + threadIdx.x;
        from += from_at;
        ${each(`
          const int i = y * NX + x;
          const float sides = ${sides};
          sums[i] = 0.05f * sides + 0.2f * from[i];
          ${on(both, "sums[CELLS + i] = 0.2f * sides;")}`)}
      }

      extern "C" __global__ void add_rows(const float*${keep} from, int from_at, const float*${keep} sums, const float*${keep} force, float*${keep} to, int to_at) {
        from += from_at;
        to += to_at;
        ${each(vector ? vectorRow(both, get) : scalarRow(both, get, block))}
      }
    `.replaceAll("BLOCK", String(block));
    const draft = { source, launches: passLaunches({ block, both, vector, count, nx, ny }) };
    return styled(draft, { names: "snake", indent: 4 });
  },
});

function scalarRow(both: boolean, get: (text: string) => string, block: number): string {
  const side = both ? get("sums[CELLS + i]") : `0.2f * (${get("from[i - 1]")} + ${get("from[i + 1]")})`;
  return `
    const int x = blockIdx.x * ${block} + threadIdx.x;
    const int i = y * NX + x;
    float value = from[i];
    if (x > 0 && x < NX - 1 && y > 0 && y < NY - 1) {
      value = ${get("sums[i - NX]")} + ${get("sums[i + NX]")} + ${side} + ${get("force[i]")};
    }
    to[i] = value;`;
}

function vectorRow(both: boolean, get: (text: string) => string): string {
  const quad = (name: string, at: string): string => get(`reinterpret_cast<const float4*>(${name})[${at}]`);
  const parts = ["x", "y", "z", "w"];
  const side = (index: number): string => {
    if (both) return `s.${parts[index]}`;
    const left = index === 0 ? "left" : `c.${parts[index - 1]}`;
    const right = index === 3 ? "right" : `c.${parts[index + 1]}`;
    return `0.2f * (${left} + ${right})`;
  };
  return `
    const int x = 4 * (blockIdx.x * BLOCK + threadIdx.x);
    const int i = (y * NX + x) / 4;
    if (x < NX) {
      float4 c = reinterpret_cast<const float4*>(from)[i];
      if (y > 0 && y < NY - 1) {
        const float4 a = ${quad("sums", "i - NX / 4")};
        const float4 b = ${quad("sums", "i + NX / 4")};
        const float4 f = ${quad("force", "i")};
        ${both ? `const float4 s = ${quad("sums", "CELLS / 4 + i")};` : `const float left = ${get("from[max(4 * i - 1, 0)]")}, right = ${get("from[min(4 * i + 4, CELLS - 1)]")};`}
        float4 d;
        ${parts.map((part, index) => `d.${part} = a.${part} + b.${part} + ${side(index)} + f.${part};`).join("\n")}
        if (x == 0) d.x = c.x;
        if (x == NX - 4) d.w = c.w;
        c = d;
      }
      reinterpret_cast<float4*>(to)[i] = c;
    }`;
}

interface Passes {
  readonly block: number;
  readonly both: boolean;
  readonly vector: boolean;
  readonly count: number;
  readonly nx: number;
  readonly ny: number;
}

/** With both sums stored, sweeps update out in place; else they alternate between work's second plane and out. */
function passLaunches({ block, both, vector, count, nx, ny }: Passes): KernelDraft["launches"] {
  const cells = nx * ny;
  const steps: readonly (readonly [string, number])[] = both
    ? [
        ["u", 0],
        ["out", 0],
        ["out", 0],
        ["out", 0],
        ["out", 0],
      ]
    : [
        ["u", 0],
        ["work", cells],
        ["out", 0],
        ["work", cells],
        ["out", 0],
      ];
  return steps.slice(0, -1).flatMap(([from, at], index) => {
    const [to, toAt] = steps[index + 1] as readonly [string, number];
    return [
      launch("row_sums", [nx / block, ny / count], block, [from, { i32: at }, "work"]),
      launch("add_rows", [Math.ceil(nx / (vector ? 4 : 1) / block), ny / count], block, [
        from,
        { i32: at },
        "work",
        "force",
        to,
        { i32: toAt },
      ]),
    ];
  });
}
