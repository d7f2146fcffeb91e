import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  clampColumn,
  clampRow,
  exchangeDefinition,
  extent,
  fromColumns,
  network,
  slideLeft,
  slideRight,
  threes,
} from "./order.ts";

const word = "unsigned int";

/** Pixels in halves of words: even and odd pixels apart, two per word. */
export const halfWords: Template = template({
  id: "half-words",
  from: "word-thread",
  idea: "Spread four pixels over two words of 16-bit halves and order them with half-wise minima and maxima.",
  options: {
    method: ["columns", "nine"],
    unpack: ["masks", "permute"],
    join: ["shifts", "funnel", "permute"],
    march: [true, false],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["constexpr", "define"],
    reach: [16, 32, 8, 64],
    threads: [128, 256, 64],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const get = (place: string): string => (o.load === "plain" ? place : `__ldg(&${place})`);
    const even = (v: string): string => (o.unpack === "masks" ? `${v} & 0x00ff00ffu` : `__byte_perm(${v}, 0u, 0x4240)`);
    const odd = (v: string): string =>
      o.unpack === "masks" ? `(${v} >> 8) & 0x00ff00ffu` : `__byte_perm(${v}, 0u, 0x4341)`;
    const joined = (low: string, high: string): string =>
      ({
        shifts: `(${low} >> 16) | (${high} << 16)`,
        funnel: `__funnelshift_r(${low}, ${high}, 16)`,
        permute: `__byte_perm(${low}, ${high}, 0x5432)`,
      })[o.join];
    const parts = ["odd_before", "even", "odd", "even_after"];
    const columns = `
      ${parts.map((part) => `${word} low_${part}, mid_${part}, high_${part};\nsort_three(a.${part}, b.${part}, c.${part}, low_${part}, mid_${part}, high_${part});`).join("\n")}
      ${["low", "mid", "high"].map((kind) => `const ${word} ${kind}_l = ${joined(`${kind}_odd_before`, `${kind}_odd`)};\nconst ${word} ${kind}_r = ${joined(`${kind}_even`, `${kind}_even_after`)};`).join("\n")}
      const ${word} first = ${fromColumns("halves", ["l", "even", "odd"])};
      const ${word} second = ${fromColumns("halves", ["even", "odd", "r"])};`;
    const nine = `
      ${word} p[9] = {${["a", "b", "c"].map((row) => `${joined(`${row}.odd_before`, `${row}.odd`)}, ${row}.even, ${row}.odd`).join(", ")}};
      ${network("function", word, "halves")}
      const ${word} first = p[4];
      ${["a", "b", "c"].map((row, k) => `p[${3 * k}] = ${row}.even, p[${3 * k + 1}] = ${row}.odd, p[${3 * k + 2}] = ${joined(`${row}.even`, `${row}.even_after`)};`).join("\n")}
      ${network("function", word, "halves")}
      const ${word} second = p[4];`;
    const result = o.join === "permute" ? "__byte_perm(first, second, 0x6240)" : "first | (second << 8)";
    const put = o.store === "plain" ? `out[y * WORDS + q] = ${result};` : `__stcs(&out[y * WORDS + q], ${result});`;
    const body = `${o.method === "nine" ? nine : columns}\n${put}`;
    const source = `
      ${extent(sizes, o.size)}
      ${on(o.march, `#define REACH ${o.reach}`)}
      ${o.method === "nine" ? exchangeDefinition("function", word, "halves") : threes(word, "halves")}
      struct Halves {
        ${word} odd_before, even, odd, even_after;
      };

      __device__ __forceinline__ Halves halves_of(const ${word}* image, int y, int q) {
        const ${word}* line = image + ${clampRow("y")} * WORDS;
        const ${word} here = ${get("line[q]")};
        const ${word} before = q > 0 ? ${get("line[q - 1]")} : here << 24;
        const ${word} after = q < WORDS - 1 ? ${get("line[q + 1]")} : here >> 24;
        Halves halves;
        halves.even = ${even("here")};
        halves.odd = ${odd("here")};
        halves.odd_before = ${odd("before")};
        halves.even_after = ${even("after")};
        return halves;
      }

      extern "C" __global__ void median(const ${word}* __restrict__ image, ${word}* __restrict__ out) {
        const int q = blockIdx.x * blockDim.x + threadIdx.x;
        if (q >= WORDS) return;
        ${
          o.march
            ? `const int top = blockIdx.y * REACH;
              Halves a = halves_of(image, top - 1, q);
              Halves b = halves_of(image, top, q);
              for (int y = top; y < min(top + REACH, HEIGHT); ++y) {
                const Halves c = halves_of(image, y + 1, q);
                ${body}
                a = b;
                b = c;
              }`
            : `const int y = blockIdx.y;
              const Halves a = halves_of(image, y - 1, q), b = halves_of(image, y, q), c = halves_of(image, y + 1, q);
              ${body}`
        }
      }
    `;
    const blocks: readonly [number, number] = [Math.ceil(w / 4 / o.threads), o.march ? Math.ceil(h / o.reach) : h];
    return styled(
      { source, launches: [launch("median", blocks, o.threads, ["image", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

const planeNames = ["low", "mid", "high"] as const;

/** Sorted triples go to scratch, a second launch combines them. */
export const sortedPlanes: Template = template({
  id: "sorted-planes",
  from: "network-thread",
  idea: "Write the sorted triples of one direction to scratch and combine three of them in a second launch.",
  options: {
    first: ["columns", "rows"],
    unit: ["byte", "word"],
    layout: ["planes", "rows-interleaved"],
    slide: ["permute", "funnel", "shifts"],
    flat: [false, true],
    load: ["plain", "__ldg"],
    restrict: [true, false],
    size: ["define", "constexpr"],
    threads: [256, 128, 512],
  },
  count: 25,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const words = o.unit === "word";
    const [cell, value, kind, pitch] = words
      ? ([word, word, "bytes", "WORDS"] as const)
      : (["unsigned char", "int", "min-max", "WIDTH"] as const);
    const mark = on(o.restrict, " __restrict__");
    const get = (place: string): string => (o.load === "plain" ? place : `__ldg(&${place})`);
    const at = (plane: number, row: string, column: string): string =>
      o.layout === "planes"
        ? `planes[(${plane} * HEIGHT + ${row}) * ${pitch} + ${column}]`
        : `planes[(${row} * 3 + ${plane}) * ${pitch} + ${column}]`;
    const locate = o.flat
      ? `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int q = i % ${pitch};
        const int y = i / ${pitch};
        if (y >= HEIGHT) return;`
      : `
        const int q = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = blockIdx.y;
        if (q >= ${pitch}) return;`;
    // three cells along a row: the neighbours of a byte, or a word slid by a byte to either side
    const along = (read: (column: string) => string, name: string): string =>
      words
        ? `
          const ${word} ${name}_here = ${read("q")};
          const ${word} ${name}_before = q > 0 ? ${read("q - 1")} : ${name}_here << 24;
          const ${word} ${name}_after = q < WORDS - 1 ? ${read("q + 1")} : ${name}_here >> 24;
          const ${word} ${name}_l = ${slideLeft(o.slide, `${name}_before`, `${name}_here`)};
          const ${word} ${name}_c = ${name}_here;
          const ${word} ${name}_r = ${slideRight(o.slide, `${name}_here`, `${name}_after`)};`
        : `
          const int ${name}_l = ${read(clampColumn("q - 1"))};
          const int ${name}_c = ${read("q")};
          const int ${name}_r = ${read(clampColumn("q + 1"))};`;
    const down = (read: (row: string) => string, name: string): string => `
      const ${value} ${name}_l = ${read(clampRow("y - 1"))};
      const ${value} ${name}_c = ${read("y")};
      const ${value} ${name}_r = ${read(clampRow("y + 1"))};`;
    const columnsFirst = o.first === "columns";
    const read = columnsFirst
      ? down((row) => get(`image[${row} * ${pitch} + q]`), "v")
      : along((column) => get(`image[y * ${pitch} + ${column}]`), "v");
    const combine = planeNames
      .map((name, k) =>
        columnsFirst ? along((column) => get(at(k, "y", column)), name) : down((row) => get(at(k, row, "q")), name),
      )
      .join("\n");
    const source = `
      ${extent(sizes, o.size)}
      ${threes(value, kind)}

      extern "C" __global__ void sort_triples(const ${cell}*${mark} image, ${cell}*${mark} planes) {
        ${locate}
        ${read}
        ${value} low, mid, high;
        sort_three(v_l, v_c, v_r, low, mid, high);
        ${planeNames.map((name, k) => `${at(k, "y", "q")} = ${name};`).join("\n")}
      }

      extern "C" __global__ void combine_triples(const ${cell}*${mark} planes, ${cell}*${mark} out) {
        ${locate}
        ${combine}
        out[y * ${pitch} + q] = ${fromColumns(kind, ["l", "c", "r"])};
      }
    `;
    const across = words ? w / 4 : w;
    const blocks: readonly [number, number] = o.flat
      ? [Math.ceil((across * h) / o.threads), 1]
      : [Math.ceil(across / o.threads), h];
    return styled(
      {
        source,
        launches: [
          launch("sort_triples", blocks, o.threads, ["image", "scratch"]),
          launch("combine_triples", blocks, o.threads, ["scratch", "out"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** A histogram of the window per thread that slides along. */
export const slidingHistogram: Template = template({
  id: "sliding-histogram",
  from: "sliding-thread",
  idea: "Keep a histogram of the window per thread in shared memory; add and remove three pixels per step.",
  options: {
    search: ["follow", "coarse"],
    layout: ["by-value", "by-thread"],
    way: ["along", "down"],
    count: ["unsigned char", "unsigned short"],
    load: ["plain", "__ldg"],
    size: ["define", "constexpr"],
    reach: [256, 128, 512],
    threads: [64, 32],
  },
  valid: ({ count, threads }) => count === "unsigned char" || threads === 32,
  count: 22,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const along = o.way === "along";
    const coarse = o.search === "coarse";
    const bin = (value: string): string => (o.layout === "by-value" ? `bins[${value}][me]` : `bins[me][${value}]`);
    const group = (value: string): string =>
      o.layout === "by-value" ? `groups[${value}][me]` : `groups[me][${value}]`;
    const at = (k: string, step: string): string => {
      const place = along
        ? `${clampRow(`line + ${k} - 1`)} * WIDTH + ${clampColumn(step)}`
        : `${clampRow(step)} * WIDTH + ${clampColumn(`line + ${k} - 1`)}`;
      return o.load === "plain" ? `image[${place}]` : `__ldg(&image[${place}])`;
    };
    const change = (step: string, sign: "+" | "-"): string => `
      #pragma unroll
      for (int k = 0; k < 3; ++k) {
        const int value = ${at("k", step)};
        ${bin("value")} ${sign}= 1;
        ${coarse ? `${group("value >> 4")} ${sign}= 1;` : `below ${sign}= value < middle;`}
      }`;
    const find = coarse
      ? `
        int total = 0, high = 0;
        while (total + ${group("high")} <= 4) total += ${group("high++")};
        int middle = high * 16;
        while (total + ${bin("middle")} <= 4) total += ${bin("middle++")};`
      : `
        while (below > 4) below -= ${bin("--middle")};
        while (below + ${bin("middle")} <= 4) below += ${bin("middle++")};`;
    const [lines, steps] = along ? ["HEIGHT", "WIDTH"] : ["WIDTH", "HEIGHT"];
    const declare = (name: string, values: number): string =>
      `__shared__ ${o.count} ${name}${o.layout === "by-value" ? `[${values}][THREADS]` : `[THREADS][${values}]`};`;
    const source = `
      ${extent(sizes, o.size)}
      #define THREADS ${o.threads}
      #define REACH ${o.reach}

      extern "C" __global__ void median(const unsigned char* __restrict__ image, unsigned char* __restrict__ out) {
        ${declare("bins", 256)}
        ${on(coarse, declare("groups", 16))}
        const int me = threadIdx.x;
        const int line = blockIdx.x * THREADS + me;
        const int first = blockIdx.y * REACH;
        for (int value = 0; value < 256; ++value) ${bin("value")} = 0;
        ${on(coarse, `for (int value = 0; value < 16; ++value) ${group("value")} = 0;`)}
        if (line >= ${lines}) return;
        ${on(!coarse, "int middle = 128, below = 0;")}
        for (int step = first - 1; step < first + 1; ++step) {
          ${change("step", "+")}
        }
        for (int step = first; step < min(first + REACH, ${steps}); ++step) {
          ${change("step + 1", "+")}
          ${find}
          out[${along ? "line * WIDTH + step" : "step * WIDTH + line"}] = (unsigned char)middle;
          ${change("step - 1", "-")}
        }
      }
    `;
    const [across, deep] = along ? [h, w] : [w, h];
    return styled(
      {
        source,
        launches: [
          launch("median", [Math.ceil(across / o.threads), Math.ceil(deep / o.reach)], o.threads, ["image", "out"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
