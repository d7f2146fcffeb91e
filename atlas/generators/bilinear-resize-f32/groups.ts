import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { coordinate, declareFrames, framesOf, mix, phases, take, type Load } from "./axes.ts";

const vectorsOf = (values: string, count: number, put: (k: number, vector: string) => string): string =>
  repeat(count, (k) => put(k, `make_float4(${repeat(4, (j) => `${values}[${4 * k + j}]`, ", ")})`));

/** Writes result[0 … 11] to the twelve values at `to`. */
const storeTwelve = {
  vectors: vectorsOf("result", 3, (k, vector) => `reinterpret_cast<float4*>(to)[${k}] = ${vector};`),
  streamed: vectorsOf("result", 3, (k, vector) => `__stcs(reinterpret_cast<float4*>(to) + ${k}, ${vector});`),
  scalars: "#pragma unroll\nfor (int i = 0; i < 12; ++i) to[i] = result[i];",
};

/** Four output pixels of a row from five input pixels. */
export const groupThread: Template = template({
  id: "group-thread",
  from: "pixel-thread",
  idea: "Compute the four output pixels that three input pixels make with fixed fractions and write whole vectors.",
  options: {
    order: ["down-first", "along-first"],
    down: ["coordinate", "phase"],
    phase: ["formula", "table", "written"],
    mix: ["difference", "fused", "weights"],
    load: ["plain", "__ldg"],
    store: ["vectors", "scalars", "streamed"],
    edge: ["clamp", "branch"],
    declared: ["constexpr", "define", "static"],
    threads: [128, 256, 64],
  },
  count: 27,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const written = o.phase === "written";
    const fraction = { formula: "(0.875f - 0.25f * j)", table: "phase[j]", written: "" }[o.phase];
    const column = o.edge === "clamp" ? "min(max(3 * g - 1 + i / 3, 0), IN_W - 1)" : "(3 * g - 1 + i / 3)";
    const value = (row: string): string => take(o.load, `x[(${row} + ${column}) * 3 + i % 3]`);
    const read = (row: string): string => {
      if (o.edge === "clamp") return value(row);
      const outer = `(i < 3 && g == 0 ? ${take(o.load, `x[${row} * 3 + i % 3]`)} : ${take(o.load, `x[(${row} + IN_W - 1) * 3 + i % 3]`)})`;
      return `((i >= 3 || g > 0) && (i < 12 || g < GROUPS - 1) ? ${value(row)} : ${outer})`;
    };
    const along = (from: string, to: string): string =>
      written
        ? repeat(
            4,
            (j) =>
              `#pragma unroll\nfor (int c = 0; c < 3; ++c) ${to}[${3 * j} + c] = ${mix(o.mix, `${from}[${3 * j} + c]`, `${from}[${3 * j + 3} + c]`, phases[j] as string)};`,
          )
        : `
          #pragma unroll
          for (int j = 0; j < 4; ++j)
            #pragma unroll
            for (int c = 0; c < 3; ++c) ${to}[3 * j + c] = ${mix(o.mix, `${from}[3 * j + c]`, `${from}[3 * j + 3 + c]`, fraction)};`;
    const body =
      o.order === "down-first"
        ? `
          float mixed[15];
          #pragma unroll
          for (int i = 0; i < 15; ++i) {
            const float a = ${read("row_lo")};
            const float b = ${read("row_hi")};
            mixed[i] = ${mix(o.mix, "a", "b", "part_y")};
          }
          ${along("mixed", "result")}`
        : `
          float upper[15], lower[15], other[12];
          #pragma unroll
          for (int i = 0; i < 15; ++i) upper[i] = ${read("row_lo")};
          #pragma unroll
          for (int i = 0; i < 15; ++i) lower[i] = ${read("row_hi")};
          ${along("upper", "result")}
          ${along("lower", "other")}
          #pragma unroll
          for (int i = 0; i < 12; ++i) result[i] = ${mix(o.mix, "result[i]", "other[i]", "part_y")};`;
    const place =
      o.down === "coordinate"
        ? coordinate("scale", "oy", "y")
        : `
          const int turn = oy & 3;
          const int lo_y = max(oy / 4 * 3 - 1 + turn, 0);
          const int hi_y = min(oy / 4 * 3 + turn, IN_H - 1);
          const float part_y = 0.875f - 0.25f * turn;`;
    const source = `
      ${declareFrames(frames, o.declared)}
      #define GROUPS (OUT_W / 4)

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        const int index = blockIdx.x * blockDim.x + threadIdx.x;
        const int g = index % GROUPS;
        const int line = index / GROUPS;
        if (line >= N * OUT_H) return;
        const int oy = line % OUT_H;
        const int image = line / OUT_H;
        ${place}
        ${on(o.phase === "table", "const float phase[4] = {0.875f, 0.625f, 0.375f, 0.125f};")}
        const int row_lo = (image * IN_H + lo_y) * IN_W;
        const int row_hi = (image * IN_H + hi_y) * IN_W;
        float result[12];
        ${body}
        float* to = out + (line * OUT_W + 4 * g) * 3;
        ${storeTwelve[o.store]}
      }
    `;
    const total = (n * ho * wo) / 4;
    return styled(
      { source, launches: [launch("resize", Math.ceil(total / o.threads), o.threads, ["x", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Reads the five pixels around group g of a line into v. */
const fiveValues = (load: Load) => {
  const get = (place: string): string => take(load, place);
  return {
    "clamp-each": `
          #pragma unroll
          for (int i = 0; i < 15; ++i) v[i] = ${get("line[min(max(3 * g - 1 + i / 3, 0), IN_W - 1) * 3 + i % 3]")};`,
    "inner-loop": `
          #pragma unroll
          for (int i = 3; i < 12; ++i) v[i] = ${get("line[9 * g - 3 + i]")};
          #pragma unroll
          for (int i = 0; i < 3; ++i) {
            v[i] = g > 0 ? ${get("line[9 * g - 3 + i]")} : v[3 + i];
            v[12 + i] = g < GROUPS - 1 ? ${get("line[9 * g + 9 + i]")} : v[9 + i];
          }`,
  };
};

/** Four by four output pixels from five by five, going down. */
export const patchThread: Template = template({
  id: "patch-thread",
  from: "group-thread",
  idea: "Go down with groups of four pixels: four output rows per three input rows, each interpolated along x once.",
  options: {
    fetch: ["clamp-each", "inner-loop"],
    rotate: ["copy", "pointers"],
    mix: ["difference", "fused", "weights"],
    load: ["plain", "__ldg"],
    store: ["vectors", "streamed", "scalars"],
    unroll: ["rows", "none"],
    bounds: [false, true],
    declared: ["define", "constexpr"],
    depth: [4, 8, 16, 32],
    threads: [128, 64, 256],
  },
  valid: ({ rotate, unroll }) => rotate === "copy" || unroll === "rows",
  count: 27,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const emit = (turn: string, upper: string, lower: string): string => `
      {
        float result[12];
        #pragma unroll
        for (int i = 0; i < 12; ++i) result[i] = ${mix(o.mix, `${upper}[i]`, `${lower}[i]`, `(0.875f - 0.25f * ${turn})`)};
        float* to = target + (oy + ${turn}) * OUT_W * 3;
        ${storeTwelve[o.store]}
      }`;
    const body =
      o.rotate === "copy"
        ? `
          float upper[12], lower[12];
          along_row(frame, first / 4 * 3 - 1, g, upper);
          for (int oy = first; oy < first + DEPTH; oy += 4) {
            ${o.unroll === "rows" ? "#pragma unroll" : "#pragma unroll 1"}
            for (int turn = 0; turn < 4; ++turn) {
              along_row(frame, oy / 4 * 3 + turn, g, lower);
              ${emit("turn", "upper", "lower")}
              if (turn < 3) {
                #pragma unroll
                for (int i = 0; i < 12; ++i) upper[i] = lower[i];
              }
            }
          }`
        : `
          float rows[2][12];
          along_row(frame, first / 4 * 3 - 1, g, rows[0]);
          for (int oy = first; oy < first + DEPTH; oy += 4) {
            ${repeat(4, (j) => `along_row(frame, oy / 4 * 3 + ${j}, g, rows[${(j + 1) % 2}]);\n${emit(String(j), `rows[${j % 2}]`, `rows[${(j + 1) % 2}]`)}`)}
            along_row(frame, oy / 4 * 3 + 2, g, rows[0]);
          }`;
    const source = `
      ${declareFrames(frames, o.declared)}
      #define GROUPS (OUT_W / 4)
      #define DEPTH ${o.depth}

      // The four pixels of group g interpolated along a row.
      __device__ __forceinline__ void along_row(const float* frame, int row, int g, float (&four)[12]) {
        const float* line = frame + min(max(row, 0), IN_H - 1) * IN_W * 3;
        float v[15];
        ${fiveValues(o.load)[o.fetch]}
        #pragma unroll
        for (int i = 0; i < 12; ++i) four[i] = ${mix(o.mix, "v[i]", "v[i + 3]", "(0.875f - 0.25f * (i / 3))")};
      }

      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.threads}) `)}resize(const float* __restrict__ x, float* __restrict__ out) {
        const int g = blockIdx.x * blockDim.x + threadIdx.x;
        if (g >= GROUPS) return;
        const int image = blockIdx.y / (OUT_H / DEPTH);
        const int first = blockIdx.y % (OUT_H / DEPTH) * DEPTH;
        const float* frame = x + image * IN_H * IN_W * 3;
        float* target = out + (image * OUT_H * OUT_W + 4 * g) * 3;
        ${body}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("resize", [Math.ceil(wo / 4 / o.threads), (n * ho) / o.depth], o.threads, ["x", "out"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
