import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { coordinate, declareFrames, framesOf, give, mix, phases, take, type Mix, type Store } from "./axes.ts";

/** How a block brings the two rows, or what they mix to, to shared memory. */
const rowFills = (both: boolean, how: Mix) => ({
  vector: both
    ? `
      for (int i = threadIdx.x; i < LENGTH / 4; i += THREADS) {
        reinterpret_cast<float4*>(line)[i] = reinterpret_cast<const float4*>(upper)[i];
        reinterpret_cast<float4*>(line + LENGTH)[i] = reinterpret_cast<const float4*>(lower)[i];
      }`
    : `
      for (int i = threadIdx.x; i < LENGTH / 4; i += THREADS) {
        const float4 a = reinterpret_cast<const float4*>(upper)[i];
        const float4 b = reinterpret_cast<const float4*>(lower)[i];
        float4 mixed;
        ${["x", "y", "z", "w"].map((part) => `mixed.${part} = ${mix(how, `a.${part}`, `b.${part}`, "part_y")};`).join("\n")}
        reinterpret_cast<float4*>(line)[i] = mixed;
      }`,
  scalar: both
    ? "for (int i = threadIdx.x; i < LENGTH; i += THREADS) {\nline[i] = upper[i];\nline[LENGTH + i] = lower[i];\n}"
    : `for (int i = threadIdx.x; i < LENGTH; i += THREADS) line[i] = ${mix(how, "upper[i]", "lower[i]", "part_y")};`,
  async: `
    for (int i = 4 * threadIdx.x; i < LENGTH; i += 4 * THREADS) {
      __pipeline_memcpy_async(line + i, upper + i, 16);
      __pipeline_memcpy_async(line + LENGTH + i, lower + i, 16);
    }
    __pipeline_commit();
    __pipeline_wait_prior(0);`,
});

/** Whole rows in shared memory. */
export const rowStage: Template = template({
  id: "row-stage",
  from: "value-thread",
  idea: "Stage the two input rows of an output row, or their mixture, in shared memory with vector loads.",
  options: {
    stage: ["mixed", "both"],
    copy: ["vector", "scalar", "async"],
    outputs: ["values", "vectors", "pixels"],
    coordinates: ["scale", "integers", "fused"],
    mix: ["difference", "fused", "weights"],
    rows: ["one", "four"],
    store: ["plain", "__stcs"],
    declared: ["constexpr", "define"],
    threads: [256, 512, 128],
  },
  valid: ({ stage, copy }) => stage === "both" || copy !== "async",
  count: 27,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho } = frames;
    const both = o.stage === "both";
    const upper = "x + (image * IN_H + lo_y) * IN_W * 3",
      lower = "x + (image * IN_H + hi_y) * IN_W * 3";
    const value = (channel: string, name: string): string => {
      const at = (base: string): string =>
        mix(o.mix, `line[${base}3 * lo_x + ${channel}]`, `line[${base}3 * hi_x + ${channel}]`, "part_x");
      return both
        ? `const float above = ${at("")};\nconst float below = ${at("LENGTH + ")};\n${name} = ${mix(o.mix, "above", "below", "part_y")};`
        : `${name} = ${at("")};`;
    };
    const loops = {
      values: `
        for (int i = threadIdx.x; i < OUT_W * 3; i += THREADS) {
          ${coordinate(o.coordinates, "i / 3", "x")}
          float ${value("i % 3", "value")}
          ${give(o.store, "to[i]", "value")}
        }`.replace(/float const float above/, "float value;\nconst float above"),
      vectors: `
        for (int q = threadIdx.x; q < OUT_W * 3 / 4; q += THREADS) {
          float four[4];
          #pragma unroll
          for (int j = 0; j < 4; ++j) {
            const int i = 4 * q + j;
            ${coordinate(o.coordinates, "i / 3", "x")}
            ${value("i % 3", "four[j]")}
          }
          ${give(o.store, "reinterpret_cast<float4*>(to)[q]", "make_float4(four[0], four[1], four[2], four[3])")}
        }`,
      pixels: `
        for (int ox = threadIdx.x; ox < OUT_W; ox += THREADS) {
          ${coordinate(o.coordinates, "ox", "x")}
          #pragma unroll
          for (int k = 0; k < 3; ++k) {
            float value;
            ${value("k", "value")}
            ${give(o.store, "to[3 * ox + k]", "value")}
          }
        }`,
    }[o.outputs];
    const many = o.rows === "four";
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${declareFrames(frames, o.declared)}
      #define THREADS ${o.threads}
      #define LENGTH (IN_W * 3)

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        extern __shared__ __align__(16) float line[];
        ${many ? "for (int part = 0; part < 4; ++part) {\nconst int row = blockIdx.x * 4 + part;" : "const int row = blockIdx.x;"}
        const int oy = row % OUT_H;
        const int image = row / OUT_H;
        ${coordinate(o.coordinates, "oy", "y")}
        const float* upper = ${upper};
        const float* lower = ${lower};
        float* to = out + row * OUT_W * 3;
        ${rowFills(both, o.mix)[o.copy]}
        __syncthreads();
        ${loops}
        ${on(many, "__syncthreads();\n}")}
      }
    `;
    const bytes = frames.w * 12 * (both ? 2 : 1);
    return styled(
      { source, launches: [launch("resize", (n * ho) / (many ? 4 : 1), o.threads, ["x", "out"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Places in a tile that begins at `origin`: low, high and the fraction between them. */
function inTile(fractions: "coordinate" | "phase", axis: "x" | "y", place: string, origin: string): string {
  return fractions === "coordinate"
    ? `
        ${coordinate("scale", place, axis)}
        const int low_${axis} = lo_${axis} - ${origin};
        const int high_${axis} = hi_${axis} - ${origin};`
    : `
        const int low_${axis} = (${place}) / 4 * 3 - 1 + (${place}) % 4 - ${origin};
        const int high_${axis} = low_${axis} + 1;
        const float part_${axis} = 0.875f - 0.25f * ((${place}) % 4);`;
}

/** The loops over a tile's outputs; `value` writes one of them at a place within the row. */
function tileLoops(
  outputs: "values" | "vectors",
  store: Store,
  local: (axis: "x" | "y", place: string, origin: string) => string,
  value: (index: string, name: string) => string,
): string {
  return outputs === "values"
    ? `
        for (int i = threadIdx.x; i < TX * TY * 3; i += THREADS) {
          const int within = i % (TX * 3);
          const int oy = y0 + i / (TX * 3);
          ${local("y", "oy", "from_y")}
          float result;
          ${value("within", "result")}
          ${give(store, "out[((image * OUT_H + oy) * OUT_W + x0) * 3 + within]", "result")}
        }`
    : `
        for (int i = threadIdx.x; i < TX * TY * 3 / 4; i += THREADS) {
          const int within = i % (TX * 3 / 4) * 4;
          const int oy = y0 + i / (TX * 3 / 4);
          ${local("y", "oy", "from_y")}
          float four[4];
          #pragma unroll
          for (int j = 0; j < 4; ++j) {
            ${value("within + j", "four[j]")}
          }
          float4* to = reinterpret_cast<float4*>(out + ((image * OUT_H + oy) * OUT_W + x0) * 3 + within);
          ${give(store, "*to", "make_float4(four[0], four[1], four[2], four[3])").replace("&*to", "to")}
        }`;
}

/** A tile of the input in shared memory. */
export const tileStage: Template = template({
  id: "tile-stage",
  from: "row-stage",
  idea: "Stage a tile of the input with one more row and column and compute the tile's outputs from it.",
  options: {
    path: ["direct", "along-first"],
    copy: ["scalar", "async"],
    fractions: ["coordinate", "phase"],
    outputs: ["values", "vectors"],
    mix: ["fused", "difference", "weights"],
    store: ["plain", "__stcs"],
    declared: ["define", "constexpr"],
    // output pixels and output rows of a tile
    tile: ["128x16", "64x16", "128x8", "256x8", "64x32"],
    threads: [256, 384, 128],
  },
  count: 27,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const first = o.path === "along-first";
    const source3 = "x[((image * IN_H + yy) * IN_W + xx) * 3 + b % 3]";
    const local = (axis: "x" | "y", place: string, origin: string): string => inTile(o.fractions, axis, place, origin);
    const along = (row: string, channel: string): string =>
      mix(o.mix, `cells[${row}][3 * low_x + ${channel}]`, `cells[${row}][3 * high_x + ${channel}]`, "part_x");
    const value = (index: string, name: string): string =>
      first
        ? `${name} = ${mix(o.mix, `rows[low_y][${index}]`, `rows[high_y][${index}]`, "part_y")};`
        : `{
            ${local("x", `x0 + (${index}) / 3`, "from_x")}
            const float above = ${along("low_y", `(${index}) % 3`)};
            const float below = ${along("high_y", `(${index}) % 3`)};
            ${name} = ${mix(o.mix, "above", "below", "part_y")};
          }`;
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${declareFrames(frames, o.declared)}
      #define TX ${tx}
      #define TY ${ty}
      #define THREADS ${o.threads}
      #define CELLS_X (TX / 4 * 3 + 2)
      #define CELLS_Y (TY / 4 * 3 + 2)

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        __shared__ float cells[CELLS_Y][CELLS_X * 3];
        ${on(first, "__shared__ float rows[CELLS_Y][TX * 3];")}
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y % (OUT_H / TY) * TY;
        const int image = blockIdx.y / (OUT_H / TY);
        const int from_x = x0 / 4 * 3 - 1;
        const int from_y = y0 / 4 * 3 - 1;
        for (int i = threadIdx.x; i < CELLS_Y * CELLS_X * 3; i += THREADS) {
          const int a = i / (CELLS_X * 3);
          const int b = i % (CELLS_X * 3);
          const int yy = min(max(from_y + a, 0), IN_H - 1);
          const int xx = min(max(from_x + b / 3, 0), IN_W - 1);
          ${o.copy === "async" ? `__pipeline_memcpy_async(&cells[a][b], &${source3}, 4);` : `cells[a][b] = ${source3};`}
        }
        ${on(o.copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
        __syncthreads();
        ${on(
          first,
          `for (int i = threadIdx.x; i < CELLS_Y * TX * 3; i += THREADS) {
            const int row = i / (TX * 3);
            const int within = i % (TX * 3);
            ${local("x", "x0 + within / 3", "from_x")}
            rows[row][within] = ${along("row", "within % 3")};
          }
          __syncthreads();`,
        )}
        ${tileLoops(o.outputs, o.store, local, value)}
      }
    `;
    return styled(
      { source, launches: [launch("resize", [wo / tx, (n * ho) / ty], o.threads, ["x", "out"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Pixels computed by lanes of their own, written together through shared memory. */
export const sharedStore: Template = template({
  id: "shared-store",
  from: "pixel-thread",
  idea: "Compute one pixel per thread and write the block's pixels as whole vectors through shared memory.",
  options: {
    reads: ["direct", "staged"],
    rows: ["one", "two"],
    write: ["vectors", "values"],
    coordinates: ["scale", "phase", "integers", "fused"],
    mix: ["difference", "fused", "weights"],
    store: ["plain", "__stcs"],
    load: ["plain", "__ldg"],
    declared: ["constexpr", "static"],
    threads: [256, 128, 64],
  },
  count: 26,
  write: (o, sizes) => {
    const frames = framesOf(sizes);
    const { n, ho, wo } = frames;
    const staged = o.reads === "staged";
    const place = (axis: "x" | "y", at: string): string => {
      if (o.coordinates !== "phase") return coordinate(o.coordinates, at, axis);
      const size = axis === "x" ? "IN_W" : "IN_H";
      return `
        const int lo_${axis} = max(${at} / 4 * 3 - 1 + ${at} % 4, 0);
        const int hi_${axis} = min(${at} / 4 * 3 + ${at} % 4, ${size} - 1);
        const float part_${axis} = ${at} % 4 == 0 ? ${phases[0]} : ${at} % 4 == 1 ? ${phases[1]} : ${at} % 4 == 2 ? ${phases[2]} : ${phases[3]};`;
    };
    const corner = (row: "lo" | "hi", column: string): string =>
      staged
        ? `lines[${row === "lo" ? 0 : 1}][3 * (${column} - from) + k]`
        : take(o.load, `x[((image * IN_H + ${row}_y) * IN_W + ${column}) * 3 + k]`);
    const pixel = `
      ${on(
        staged,
        `__syncthreads();
        for (int i = threadIdx.x; i < 2 * SPAN * 3; i += THREADS) {
          const int half_line = i / (SPAN * 3);
          const int column = min(max(from + i % (SPAN * 3) / 3, 0), IN_W - 1);
          lines[half_line][i % (SPAN * 3)] = ${take(o.load, "x[((image * IN_H + (half_line ? hi_y : lo_y)) * IN_W + column) * 3 + i % 3]")};
        }
        __syncthreads();`,
      )}
      #pragma unroll
      for (int k = 0; k < 3; ++k) {
        const float a = ${corner("lo", "lo_x")}, b = ${corner("lo", "hi_x")};
        const float c = ${corner("hi", "lo_x")}, d = ${corner("hi", "hi_x")};
        const float above = ${mix(o.mix, "a", "b", "part_x")};
        const float below = ${mix(o.mix, "c", "d", "part_x")};
        pixels[3 * threadIdx.x + k] = ${mix(o.mix, "above", "below", "part_y")};
      }
      __syncthreads();
      float* to = out + (line * OUT_W + blockIdx.x * THREADS) * 3;
      ${
        o.write === "vectors"
          ? `for (int i = threadIdx.x; i < THREADS * 3 / 4; i += THREADS) ${give(o.store, "reinterpret_cast<float4*>(to)[i]", "reinterpret_cast<const float4*>(pixels)[i]")}`
          : `#pragma unroll\nfor (int i = 0; i < 3; ++i) ${give(o.store, "to[threadIdx.x + i * THREADS]", "pixels[threadIdx.x + i * THREADS]")}`
      }`;
    const two = o.rows === "two";
    const source = `
      ${declareFrames(frames, o.declared)}
      #define THREADS ${o.threads}
      ${on(staged, "#define SPAN (THREADS / 4 * 3 + 2)")}

      extern "C" __global__ void resize(const float* __restrict__ x, float* __restrict__ out) {
        __shared__ __align__(16) float pixels[THREADS * 3];
        ${on(staged, "__shared__ float lines[2][SPAN * 3];\nconst int from = (int)blockIdx.x * (THREADS / 4 * 3) - 1;")}
        const int ox = blockIdx.x * THREADS + threadIdx.x;
        ${place("x", "ox")}
        ${two ? "for (int part = 0; part < 2; ++part) {\nconst int line = blockIdx.y * 2 + part;" : "const int line = blockIdx.y;"}
        const int oy = line % OUT_H;
        const int image = line / OUT_H;
        ${place("y", "oy")}
        ${pixel}
        ${on(two, "__syncthreads();\n}")}
      }
    `;
    return styled(
      { source, launches: [launch("resize", [wo / o.threads, (n * ho) / (two ? 2 : 1)], o.threads, ["x", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});
