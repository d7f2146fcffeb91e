import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { declareSizes, fetch, poolOf, preface, raise, type Larger, type Load } from "./words.ts";

/** Two passes with scratch between them. */
export const halfPasses: Template = template({
  id: "half-passes",
  from: "output-thread",
  idea: "Reduce along one axis into scratch first and along the other in a second launch.",
  options: {
    first: ["columns", "rows"],
    vector: [false, true],
    test: ["branch", "clamp"],
    larger: ["fmaxf", "ternary", "branch", "helper"],
    load: ["plain", "__ldg", "__ldcs"],
    sizing: ["macro", "const"],
    restrict: [false, true],
    threads: [256, 128, 512],
  },
  count: 31,
  write: ({ first, vector, test, larger, load, sizing, restrict, threads }, sizes) => {
    const pool = poolOf(sizes);
    const mark = on(restrict, " __restrict__");
    const along = (width: string, out: string): string => `
      const int ox = i % ${out};
      const float* line = from + i / ${out} * ${width};
      float best = ${fetch(load, "line + 2 * ox")};
      const float right = ${fetch(load, "line + 2 * ox + 1")};
      ${raise(larger, "best", "right")}
      ${
        test === "branch"
          ? `if (ox > 0) {\nconst float left = ${fetch(load, "line + 2 * ox - 1")};\n${raise(larger, "best", "left")}\n}`
          : `const float left = ${fetch(load, "line + max(2 * ox - 1, 0)")};\n${raise(larger, "best", "left")}`
      }
      to[i] = best;`;
    const down = (width: string): string => {
      const at = (row: string): string =>
        fetch(load, `${vector ? "reinterpret_cast<const float4*>" : ""}(from + (${row}) * ${width}) + z`);
      const lanes = vector ? [".x", ".y", ".z", ".w"] : [""];
      const type = vector ? "float4" : "float";
      return `
        const int z = i % (${width}${on(vector, " / 4")});
        const int row = i / (${width}${on(vector, " / 4")});
        const int oy = row % OH;
        from += row / OH * IH * ${width};
        ${type} best = ${at("2 * oy")};
        const ${type} low = ${at("2 * oy + 1")};
        ${lanes.map((lane) => raise(larger, `best${lane}`, `low${lane}`)).join("\n")}
        ${test === "branch" ? "if (oy > 0) {" : "{"}
          const ${type} top = ${at(test === "branch" ? "2 * oy - 1" : "max(2 * oy - 1, 0)")};
          ${lanes.map((lane) => raise(larger, `best${lane}`, `top${lane}`)).join("\n")}
        }
        reinterpret_cast<${type}*>(to)[i] = best;`;
    };
    const kernel = (name: string, count: string, body: string): string => `
      extern "C" __global__ void ${name}(const float*${mark} from, float*${mark} to) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= ${count}) return;
        ${body}
      }
    `;
    const columnsFirst = first === "columns";
    const per = vector ? 4 : 1;
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      ${kernel("pool_columns", columnsFirst ? "IMAGES * IH * OW" : "IMAGES * OH * OW", along("IW", "OW"))}
      ${kernel("pool_rows", `IMAGES * OH * ${columnsFirst ? "OW" : "IW"}${on(vector, " / 4")}`, down(columnsFirst ? "OW" : "IW"))}
    `;
    const { images, h, w, rows, columns } = pool;
    const blocks = (count: number): number => Math.ceil(count / threads);
    const launches = columnsFirst
      ? [
          launch("pool_columns", blocks(images * h * columns), threads, ["x", "scratch"]),
          launch("pool_rows", blocks((images * rows * columns) / per), threads, ["scratch", "out"]),
        ]
      : [
          launch("pool_rows", blocks((images * rows * w) / per), threads, ["x", "scratch"]),
          launch("pool_columns", blocks(images * rows * columns), threads, ["scratch", "out"]),
        ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const rimCopies = {
  "by-cell": `
    extern "C" __global__ void add_rim(const float* __restrict__ x, float* __restrict__ rimmed) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= RH * RW) return;
      const int y = i / RW - 1;
      const int z = i % RW - 4;
      float value = LOWEST;
      if (y >= 0 && y < IH && z >= 0 && z < IW) value = x[(blockIdx.y * IH + y) * IW + z];
      rimmed[blockIdx.y * RH * RW + i] = value;
    }`,
  "by-quad": `
    extern "C" __global__ void add_rim(const float4* __restrict__ x, float4* __restrict__ rimmed) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= RH * RW / 4) return;
      const int y = i / (RW / 4) - 1;
      const int q = i % (RW / 4) - 1;
      const bool in = y >= 0 && y < IH && q >= 0 && q < IW / 4;
      rimmed[blockIdx.y * RH * RW / 4 + i] = in ? x[(blockIdx.y * IH + y) * (IW / 4) + q] : make_float4(LOWEST, LOWEST, LOWEST, LOWEST);
    }`,
  "fill-then-copy": `
    extern "C" __global__ void fill_lowest(float4* rimmed, int count) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < count) rimmed[i] = make_float4(LOWEST, LOWEST, LOWEST, LOWEST);
    }

    extern "C" __global__ void add_rim(const float* __restrict__ x, float* __restrict__ rimmed) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= IH * IW) return;
      rimmed[(blockIdx.y * RH + i / IW + 1) * RW + 4 + i % IW] = x[blockIdx.y * IH * IW + i];
    }`,
};

const rimmedWork = (larger: Larger, load: Load) => ({
  "nine-loads": `
    const float* corner = rimmed + (blockIdx.y * RH + 2 * (i / OW)) * RW + 2 * (i % OW) + 3;
    float best = ${fetch(load, "corner")};
    #pragma unroll
    for (int t = 1; t < 9; ++t) {
      const float value = ${fetch(load, "corner + t / 3 * RW + t % 3")};
      ${raise(larger, "best", "value")}
    }
    out[blockIdx.y * OH * OW + i] = best;`,
  "three-vectors": `
    const float* corner = rimmed + (blockIdx.y * RH + 2 * (i / OW)) * RW + 2 * (i % OW) + 2;
    float best = LOWEST;
    #pragma unroll
    for (int r = 0; r < 3; ++r) {
      const float2 a = ${fetch(load, "reinterpret_cast<const float2*>(corner + r * RW)")};
      const float2 b = ${fetch(load, "reinterpret_cast<const float2*>(corner + r * RW + 2)")};
      ${raise(larger, "best", "a.y")}
      ${raise(larger, "best", "b.x")}
      ${raise(larger, "best", "b.y")}
    }
    out[blockIdx.y * OH * OW + i] = best;`,
  "two-outputs": `
    const float* corner = rimmed + (blockIdx.y * RH + 2 * (i / (OW / 2))) * RW + 4 * (i % (OW / 2)) + 3;
    float best = LOWEST, next = LOWEST;
    #pragma unroll
    for (int r = 0; r < 3; ++r) {
      const float before = ${fetch(load, "corner + r * RW")};
      const float4 four = ${fetch(load, "reinterpret_cast<const float4*>(corner + r * RW + 1)")};
      ${raise(larger, "best", "before")}
      ${raise(larger, "best", "four.x")}
      ${raise(larger, "best", "four.y")}
      ${raise(larger, "next", "four.y")}
      ${raise(larger, "next", "four.z")}
      ${raise(larger, "next", "four.w")}
    }
    reinterpret_cast<float2*>(out + blockIdx.y * OH * OW)[i] = make_float2(best, next);`,
});

/** Images with a rim of lowest values first. */
export const rimmedImages: Template = template({
  id: "rimmed-images",
  from: "output-thread",
  idea: "Copy the images into scratch with a rim of lowest values, so that the windows need no tests.",
  options: {
    copy: ["by-cell", "by-quad", "fill-then-copy"],
    windows: ["nine-loads", "three-vectors", "two-outputs"],
    larger: ["fmaxf", "ternary", "branch", "helper"],
    load: ["plain", "__ldg"],
    sizing: ["macro", "enum"],
    threads: [256, 128, 512],
  },
  count: 25,
  write: ({ copy, windows, larger, load, sizing, threads }, sizes) => {
    const pool = poolOf(sizes);
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define RH (IH + 2)
      #define RW (IW + 8)
      ${rimCopies[copy]}

      extern "C" __global__ void pool(const float* __restrict__ rimmed, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= OH * OW${on(windows === "two-outputs", " / 2")}) return;
        ${rimmedWork(larger, load)[windows]}
      }
    `;
    const { images, h, w, rows, columns } = pool;
    const cells = (h + 2) * (w + 8);
    const copyLaunches = {
      "by-cell": [launch("add_rim", [Math.ceil(cells / 256), images], 256, ["x", "scratch"])],
      "by-quad": [launch("add_rim", [Math.ceil(cells / 4 / 256), images], 256, ["x", "scratch"])],
      "fill-then-copy": [
        launch("fill_lowest", Math.ceil((images * cells) / 4 / 256), 256, ["scratch", { i32: (images * cells) / 4 }]),
        launch("add_rim", [Math.ceil((h * w) / 256), images], 256, ["x", "scratch"]),
      ],
    }[copy];
    const count = windows === "two-outputs" ? (rows * columns) / 2 : rows * columns;
    const main = launch("pool", [Math.ceil(count / threads), images], threads, ["scratch", "out"]);
    return styled({ source, launches: [...copyLaunches, main] }, { names: "snake", indent: 2 });
  },
});
