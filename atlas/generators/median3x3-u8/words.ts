import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  clampRow,
  exchangeDefinition,
  extent,
  fromColumns,
  network,
  slideLeft,
  slideRight,
  threes,
  type Shape,
  type Slide,
} from "./order.ts";

const word = "unsigned int";

/** Three words of a row around word q, with the border's pixel repeated outside. */
function rowOfWords(edge: "conditional" | "branch", load: string, line: string, name: string): string {
  const get = (place: string): string => (load === "plain" ? `${line}[${place}]` : `${load}(${line} + ${place})`);
  if (edge === "conditional") {
    return `
      const ${word} here_${name} = ${get("q")};
      const ${word} before_${name} = q > 0 ? ${get("q - 1")} : here_${name} << 24;
      const ${word} after_${name} = q < WORDS - 1 ? ${get("q + 1")} : here_${name} >> 24;`;
  }
  return `
    const ${word} here_${name} = ${get("q")};
    ${word} before_${name} = here_${name} << 24;
    ${word} after_${name} = here_${name} >> 24;
    if (q > 0) before_${name} = ${get("q - 1")};
    if (q + 1 < WORDS) after_${name} = ${get("q + 1")};`;
}

/** Medians of the word's four pixels from nine words. */
function nineWords(slide: Slide, shape: Shape): string {
  return `
    ${word} p[9];
    ${["a", "b", "c"]
      .map(
        (name, k) => `p[${3 * k}] = ${slideLeft(slide, `before_${name}`, `here_${name}`)};
          p[${3 * k + 1}] = here_${name};
          p[${3 * k + 2}] = ${slideRight(slide, `here_${name}`, `after_${name}`)};`,
      )
      .join("\n")}
    ${network(shape, word, "bytes")}
    const ${word} result = p[4];`;
}

/** Medians from sorted columns: each column is sorted once, then the sorted words slide. */
function sortedWords(slide: Slide): string {
  const sort = ["before", "here", "after"]
    .map(
      (part) =>
        `${word} low_${part}, mid_${part}, high_${part};\nsort_three(${part}_a, ${part}_b, ${part}_c, low_${part}, mid_${part}, high_${part});`,
    )
    .join("\n");
  const slid = ["low", "mid", "high"]
    .map(
      (part) => `const ${word} ${part}_l = ${slideLeft(slide, `${part}_before`, `${part}_here`)};
        const ${word} ${part}_r = ${slideRight(slide, `${part}_here`, `${part}_after`)};`,
    )
    .join("\n");
  return `${sort}\n${slid}\nconst ${word} result = ${fromColumns("bytes", ["l", "here", "r"])};`;
}

/** Four pixels per thread in a word. */
export const wordThread: Template = template({
  id: "word-thread",
  from: "network-thread",
  idea: "Hold four pixels in a word and order all four with byte-wise minima and maxima.",
  options: {
    method: ["nine", "columns"],
    slide: ["permute", "funnel", "shifts"],
    shape: ["function", "macro", "inline"],
    edge: ["conditional", "branch"],
    load: ["plain", "__ldg"],
    flat: [false, true],
    size: ["constexpr", "define"],
    threads: [256, 128, 512, 64],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const rows = ["a", "b", "c"].map((name) => rowOfWords(o.edge, o.load, `line_${name}`, name)).join("\n");
    const source = `
      ${extent(sizes, o.size)}
      ${o.method === "nine" ? exchangeDefinition(o.shape, word, "bytes") : threes(word, "bytes")}

      extern "C" __global__ void median(const ${word}* __restrict__ image, ${word}* __restrict__ out) {
        ${
          o.flat
            ? "const int i = blockIdx.x * blockDim.x + threadIdx.x;\nconst int q = i % WORDS;\nconst int y = i / WORDS;\nif (y >= HEIGHT) return;"
            : "const int q = blockIdx.x * blockDim.x + threadIdx.x;\nconst int y = blockIdx.y;\nif (q >= WORDS) return;"
        }
        const ${word}* line_a = image + ${clampRow("y - 1")} * WORDS;
        const ${word}* line_b = image + y * WORDS;
        const ${word}* line_c = image + ${clampRow("y + 1")} * WORDS;
        ${rows}
        ${o.method === "nine" ? nineWords(o.slide, o.shape) : sortedWords(o.slide)}
        out[y * WORDS + q] = result;
      }
    `;
    const entry = o.flat
      ? launch("median", Math.ceil((h * w) / 4 / o.threads), o.threads, ["image", "out"])
      : launch("median", [Math.ceil(w / 4 / o.threads), h], o.threads, ["image", "out"]);
    return styled({ source, launches: [entry] }, { names: "camel", indent: 2 });
  },
});

const names = ["before", "here", "after"];
const pairs = names
  .map(
    (n) => `const ${word} low_${n} = __vminu4(least_${n}, ${n}_c);
    const ${word} rest_${n} = __vmaxu4(least_${n}, ${n}_c);
    const ${word} mid_${n} = __vminu4(rest_${n}, most_${n});
    const ${word} high_${n} = __vmaxu4(rest_${n}, most_${n});
    least_${n} = __vminu4(${n}_b, ${n}_c);
    most_${n} = __vmaxu4(${n}_b, ${n}_c);`,
  )
  .join("\n");

/** Words that go down the image: rows stay in registers. */
export const wordMarch: Template = template({
  id: "word-march",
  from: "word-thread",
  idea: "Go down the image with words of four pixels so that each row is read once per thread.",
  options: {
    sides: ["loads", "shuffle"],
    method: ["columns", "pairs", "nine"],
    slide: ["permute", "funnel", "shifts"],
    ahead: [false, true],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["constexpr", "define"],
    reach: [16, 32, 64, 8],
    threads: [128, 256, 64],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const get = (place: string): string => (o.load === "plain" ? place : `${o.load}(&${place})`);
    const bring =
      o.sides === "loads"
        ? `
          before = q > 0 ? ${get("line[q - 1]")} : here << 24;
          after = q < WORDS - 1 ? ${get("line[q + 1]")} : here >> 24;`
        : `
          before = __shfl_up_sync(0xffffffffu, here, 1);
          after = __shfl_down_sync(0xffffffffu, here, 1);
          if ((threadIdx.x & 31) == 0) before = q > 0 ? ${get("line[q - 1]")} : here << 24;
          if ((threadIdx.x & 31) == 31) after = q < WORDS - 1 ? ${get("line[q + 1]")} : here >> 24;`;
    const slid = ["low", "mid", "high"]
      .map(
        (part) => `const ${word} ${part}_l = ${slideLeft(o.slide, `${part}_before`, `${part}_here`)};
        const ${word} ${part}_r = ${slideRight(o.slide, `${part}_here`, `${part}_after`)};`,
      )
      .join("\n");
    const body = {
      columns: sortedWords(o.slide),
      nine: nineWords(o.slide, "function"),
      pairs: `${pairs}\n${slid}\nconst ${word} result = ${fromColumns("bytes", ["l", "here", "r"])};`,
    }[o.method];
    const put = o.store === "plain" ? "out[y * WORDS + q] = result;" : "__stcs(out + y * WORDS + q, result);";
    const source = `
      ${extent(sizes, o.size)}
      #define REACH ${o.reach}
      ${o.method === "nine" ? exchangeDefinition("function", word, "bytes") : threes(word, "bytes")}

      __device__ __forceinline__ void bring_row(const ${word}* image, int y, int q, ${word}& before, ${word}& here, ${word}& after) {
        const ${word}* line = image + ${clampRow("y")} * WORDS;
        here = ${get("line[q]")};
        ${bring}
      }

      extern "C" __global__ void median(const ${word}* __restrict__ image, ${word}* __restrict__ out) {
        const int q = blockIdx.x * blockDim.x + threadIdx.x;
        const int first = blockIdx.y * REACH;
        const int last = min(first + REACH, HEIGHT);
        ${word} before_a, here_a, after_a, before_b, here_b, after_b;
        bring_row(image, first - 1, q, before_a, here_a, after_a);
        bring_row(image, first, q, before_b, here_b, after_b);
        ${on(o.ahead, `${word} before_n, here_n, after_n;\nbring_row(image, first + 1, q, before_n, here_n, after_n);`)}
        ${on(
          o.method === "pairs",
          names
            .map((n) => `${word} least_${n} = __vminu4(${n}_a, ${n}_b), most_${n} = __vmaxu4(${n}_a, ${n}_b);`)
            .join("\n"),
        )}
        for (int y = first; y < last; ++y) {
          ${
            o.ahead
              ? `const ${word} before_c = before_n, here_c = here_n, after_c = after_n;\nbring_row(image, y + 2, q, before_n, here_n, after_n);`
              : `${word} before_c, here_c, after_c;\nbring_row(image, y + 1, q, before_c, here_c, after_c);`
          }
          {
            ${body}
            ${put}
          }
          ${on(o.method !== "pairs", "before_a = before_b, here_a = here_b, after_a = after_b;")}
          before_b = before_c, here_b = here_c, after_b = after_c;
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("median", [Math.ceil(w / 4 / o.threads), Math.ceil(h / o.reach)], o.threads, ["image", "out"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** The words on either side of a vector, or just the border bytes that they contribute. */
const outerWords = {
  bytes: `
        const unsigned char* bytes = reinterpret_cast<const unsigned char*>(line);
        v[0] = (${word})bytes[max(4 * COUNT * g - 1, 0)] << 24;
        v[COUNT + 1] = bytes[min(4 * COUNT * (g + 1), WIDTH - 1)];`,
  words: `
        v[0] = g > 0 ? line[COUNT * g - 1] : v[1] << 24;
        v[COUNT + 1] = g < WORDS / COUNT - 1 ? line[COUNT * (g + 1)] : v[COUNT] >> 24;`,
};

/** Sixteen or eight pixels per thread in a vector of words. */
export const vectorThread: Template = template({
  id: "vector-thread",
  from: "word-thread",
  idea: "Load vectors of words, sort each column of words once and slide the sorted words within the vector.",
  options: {
    width: ["four", "two"],
    march: [false, true],
    slide: ["permute", "funnel", "shifts"],
    sides: ["words", "bytes"],
    arrays: ["loops", "written-out"],
    store: ["plain", "__stcs"],
    load: ["plain", "__ldg"],
    size: ["define", "constexpr"],
    reach: [8, 4, 16, 32],
    threads: [128, 256, 64],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const count = o.width === "four" ? 4 : 2;
    const type = `uint${count}`;
    const lanes = ["x", "y", "z", "w"].slice(0, count);
    const get = (place: string): string => (o.load === "plain" ? `*(${place})` : `${o.load}(${place})`);
    const each = (line: (k: string) => string, from: number, to: number): string =>
      o.arrays === "loops"
        ? `#pragma unroll\nfor (int k = ${from}; k < ${to}; ++k) {\n${line("k")}\n}`
        : repeat(to - from, (k) => `{\n${line(String(k + from))}\n}`);
    const next = (k: string, d: number): string => (/^\d+$/.test(k) ? String(Number(k) + d) : `${k} + ${d}`);
    const sort = each((k) => `sort_three(a[${k}], b[${k}], c[${k}], low[${k}], mid[${k}], high[${k}]);`, 0, count + 2);
    const slid = (name: string, k: string): string =>
      `const ${word} ${name}_l = ${slideLeft(o.slide, `${name}[${k}]`, `${name}[${next(k, 1)}]`)};
       const ${word} ${name}_m = ${name}[${next(k, 1)}];
       const ${word} ${name}_r = ${slideRight(o.slide, `${name}[${next(k, 1)}]`, `${name}[${next(k, 2)}]`)};`;
    const merge = each(
      (k) =>
        `${slid("low", k)}\n${slid("mid", k)}\n${slid("high", k)}\nresult[${k}] = ${fromColumns("bytes", ["l", "m", "r"])};`,
      0,
      count,
    );
    const value = `make_${type}(${lanes.map((_, k) => `result[${k}]`).join(", ")})`;
    const target = `reinterpret_cast<${type}*>(out) + y * (WORDS / COUNT) + g`;
    const put = o.store === "plain" ? `*(${target}) = ${value};` : `__stcs(${target}, ${value});`;
    const work = `${word} low[COUNT + 2], mid[COUNT + 2], high[COUNT + 2], result[COUNT];\n${sort}\n${merge}\n${put}`;
    const body = o.march
      ? `
        const int first = blockIdx.y * REACH;
        ${word} a[COUNT + 2], b[COUNT + 2], c[COUNT + 2];
        bring_row(image, first - 1, g, a);
        bring_row(image, first, g, b);
        for (int y = first; y < min(first + REACH, HEIGHT); ++y) {
          bring_row(image, y + 1, g, c);
          ${work}
          #pragma unroll
          for (int k = 0; k < COUNT + 2; ++k) {
            a[k] = b[k];
            b[k] = c[k];
          }
        }`
      : `
        const int y = blockIdx.y;
        ${word} a[COUNT + 2], b[COUNT + 2], c[COUNT + 2];
        bring_row(image, y - 1, g, a);
        bring_row(image, y, g, b);
        bring_row(image, y + 1, g, c);
        ${work}`;
    const source = `
      ${extent(sizes, o.size)}
      #define COUNT ${count}
      ${on(o.march, `#define REACH ${o.reach}`)}
      ${threes(word, "bytes")}
      __device__ __forceinline__ void bring_row(const ${word}* image, int y, int g, ${word} (&v)[COUNT + 2]) {
        const ${word}* line = image + ${clampRow("y")} * WORDS;
        const ${type} several = ${get(`reinterpret_cast<const ${type}*>(line) + g`)};
        ${lanes.map((lane, k) => `v[${k + 1}] = several.${lane};`).join("\n")}
        ${outerWords[o.sides]}
      }

      extern "C" __global__ void median(const ${word}* __restrict__ image, ${word}* __restrict__ out) {
        const int g = blockIdx.x * blockDim.x + threadIdx.x;
        if (g >= WORDS / COUNT) return;
        ${body}
      }
    `;
    const blocks: readonly [number, number] = [
      Math.ceil(w / 4 / count / o.threads),
      o.march ? Math.ceil(h / o.reach) : h,
    ];
    return styled(
      { source, launches: [launch("median", blocks, o.threads, ["image", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});
