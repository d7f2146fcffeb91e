import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { after, before, copyKernel, copyLaunch, flips, perStep, philox, tableStart, torusOf } from "./shared.ts";

const pick = {
  nested: "(q & 3) == 0 ? r.x : (q & 3) == 1 ? r.y : (q & 3) == 2 ? r.z : r.w",
  halves: "(q & 2) ? ((q & 1) ? r.w : r.z) : ((q & 1) ? r.y : r.x)",
};

/** One thread per site of the colour. */
export const sitePerThread: Template = template({
  id: "site-per-thread",
  from: null,
  idea: "Give every site of the colour a thread of its own, neighbouring threads to neighbouring sites.",
  options: {
    index: ["plane", "flat", "loop"],
    wrap: ["conditional", "modulo", "mask"],
    table: ["memory", "select", "sure", "shared"],
    word: ["nested", "halves"],
    random: ["wide", "unrolled", "high", "step"],
    store: ["always", "if-flipped"],
    size: ["args", "define", "constexpr"],
    copy: ["bytes", "words"],
    block: ["32x8", "64x4", "128x1", "256x1", "32x4"],
  },
  count: 33,
  write: ({ index, wrap, table, word, random, store, size, copy, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const [bx = 1, by = 1] = block.split("x").map(Number);
    const site = `
      const int x = 2 * q + ((y + step) & 1);
      const int sum = spins[${before(wrap, "y", "rows")} * columns + x] + spins[${after(wrap, "y", "rows")} * columns + x]
        + spins[y * columns + ${before(wrap, "x", "columns")}] + spins[y * columns + ${after(wrap, "x", "columns")}];
      const int own = spins[y * columns + x];
      const int alike = (own * sum + 4) >> 1;
      ${
        table === "sure"
          ? `
      bool flip = alike < 3;
      if (!flip) {
        const uint4 r = four_words(q >> 2, y, step, seed);
        flip = (${pick[word]}) <= (alike == 3 ? limit3 : limit4);
      }`
          : `
      const uint4 r = four_words(q >> 2, y, step, seed);
      const unsigned int number = ${pick[word]};
      const bool flip = ${flips(table, "alike", "number")};`
      }
      ${store === "always" ? "spins[y * columns + x] = flip ? -own : own;" : "if (flip) spins[y * columns + x] = -own;"}`;
    const body = {
      plane: `
        const int q = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        ${site}`,
      flat: `
        const int i = (blockIdx.x * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
        const int y = i / (columns / 2), q = i % (columns / 2);
        ${site}`,
      loop: `
        for (int i = (blockIdx.x * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x; i < rows * columns / 2; i += gridDim.x * blockDim.x * blockDim.y) {
          const int y = i / (columns / 2);
          const int q = i - y * (columns / 2);
          ${site}
        }`,
    }[index];
    const source = `
      ${torus.header}
      ${philox(random)}
      ${copyKernel(copy)}
      extern "C" __global__ void half_sweep(signed char* spins, const unsigned int* ${on(table !== "memory", "__restrict__ ")}thresholds${torus.params}) {
        ${tableStart(table)}
        ${body}
      }
    `;
    const sites = (torus.rows * torus.columns) / 2;
    const grid: number | [number, number] =
      index === "plane"
        ? [torus.columns / 2 / bx, torus.rows / by]
        : index === "flat"
          ? sites / (bx * by)
          : 132 * (2048 / (bx * by));
    const steps = perStep(torus, (step) =>
      launch("half_sweep", grid, [bx, by], ["out", "thresholds", ...torus.args(step)]),
    );
    return styled({ source, launches: [copyLaunch(copy, torus), ...steps] }, { names: "snake", indent: 2 });
  },
});

/** One thread per counter: four sites share one evaluation of the generator. */
export const groupPerThread: Template = template({
  id: "group-per-thread",
  from: "site-per-thread",
  idea: "Let a thread update the four sites that share a counter, so that the generator runs once for them.",
  options: {
    numbers: ["array", "calls", "shifted"],
    centre: ["reread", "carried"],
    wrap: ["conditional", "mask", "modulo"],
    table: ["memory", "select", "sure", "shared"],
    random: ["wide", "unrolled", "step"],
    order: ["across", "down"],
    amount: ["one", "several"],
    store: ["always", "if-flipped"],
    size: ["args", "define", "constexpr"],
    block: [128, 64, 256],
  },
  count: 33,
  write: ({ numbers, centre, wrap, table, random, order, amount, store, size, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const site = (number: string): string => `
      ${centre === "reread" ? `const int left = spins[y * columns + ${before(wrap, "x", "columns")}];` : ""}
      const int right = spins[y * columns + ${after(wrap, "x", "columns")}];
      const int here = spins[y * columns + x];
      const int sum = spins[up * columns + x] + spins[down * columns + x] + left + right;
      const int k = (here * sum + 4) / 2;
      ${store === "always" ? `spins[y * columns + x] = ${flips(table, "k", number)} ? -here : here;` : `if ${flips(table, "k", number)} spins[y * columns + x] = -here;`}
      ${on(centre === "carried", "left = right;")}`;
    const four = {
      array: `
        const unsigned int numbers[4] = {r.x, r.y, r.z, r.w};
        #pragma unroll
        for (int w = 0; w < 4; ++w) {
          const int x = first + 2 * w;
          ${site("numbers[w]")}
        }`,
      calls: ["x", "y", "z", "w"]
        .map((part, w) => `{\nconst int x = first${on(w > 0, ` + ${2 * w}`)};\n${site(`r.${part}`)}\n}`)
        .join("\n"),
      shifted: `
        for (int x = first; x < first + 8; x += 2) {
          ${site("r.x")}
          r = make_uint4(r.y, r.z, r.w, r.x);
        }`,
    }[numbers];
    const rowOf =
      order === "across"
        ? "const int y = i / (columns / 8), g = i % (columns / 8);"
        : "const int g = i / rows, y = i % rows;";
    const work = `
      ${rowOf}
      const int up = ${before(wrap, "y", "rows")}, down = ${after(wrap, "y", "rows")};
      const int first = 8 * g + ((y + step) & 1);
      uint4 r = four_words(g, y, step, seed);
      ${on(centre === "carried", `int left = spins[y * columns + ${before(wrap, "first", "columns")}];`)}
      ${four}`;
    const source = `
      ${torus.header}
      ${philox(random)}
      ${copyKernel("words")}
      // A group: the four sites of one counter, every other one of eight columns.
      extern "C" __global__ void update_groups(signed char* spins, const unsigned int* thresholds${torus.params}) {
        ${tableStart(table)}
        ${
          amount === "one"
            ? `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${work}`
            : `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * (columns / 8); i += gridDim.x * blockDim.x) {\n${work}\n}`
        }
      }
    `;
    const groups = (torus.rows * torus.columns) / 8;
    const grid = amount === "one" ? groups / block : groups / block / 4;
    const steps = perStep(torus, (step) =>
      launch("update_groups", grid, block, ["out", "thresholds", ...torus.args(step)]),
    );
    return styled({ source, launches: [copyLaunch("words", torus), ...steps] }, { names: "camel", indent: 2 });
  },
});

/** Random numbers by a launch of their own. */
export const noiseFirst: Template = template({
  id: "noise-first",
  from: "group-per-thread",
  idea: "Generate a step's random numbers in one launch and use them in the next.",
  options: {
    kept: ["words", "classes", "limits"],
    fill: ["vector", "scalars"],
    wrap: ["conditional", "mask", "modulo"],
    width: ["site", "four"],
    random: ["wide", "unrolled", "step"],
    store: ["always", "if-flipped"],
    size: ["constexpr", "define", "args"],
    block: [256, 128, 512],
  },
  count: 27,
  write: ({ kept, fill, wrap, width, random, store, size, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const wide = kept === "words";
    const item = wide ? "unsigned int" : "unsigned char";
    const vector = wide ? "uint4" : "uchar4";
    // A class is how many like neighbours a site may have and still flip.
    const shape = (part: string): string =>
      wide
        ? `r.${part}`
        : kept === "classes"
          ? `(unsigned char)(2 + (r.${part} <= limit3) + (r.${part} <= limit4))`
          : `(unsigned char)(r.${part} <= limit4 ? 4 : r.${part} <= limit3 ? 3 : 2)`;
    const write =
      fill === "vector"
        ? `reinterpret_cast<${vector}*>(noise)[i] = make_${vector}(${["x", "y", "z", "w"].map(shape).join(", ")});`
        : ["x", "y", "z", "w"].map((part, w) => `noise[4 * i + ${w}] = ${shape(part)};`).join("\n");
    const test = wide ? "number <= (k < 3 ? 0xffffffffu : k == 3 ? limit3 : limit4)" : "k <= number";
    const site = `
      const int p = y * columns + x;
      const int k = (spins[p] * (spins[up * columns + x] + spins[down * columns + x] + spins[y * columns + ${before(wrap, "x", "columns")}] + spins[y * columns + ${after(wrap, "x", "columns")}]) + 4) / 2;
      ${store === "always" ? `spins[p] = (${test}) ? -spins[p] : spins[p];` : `if (${test}) spins[p] = -spins[p];`}`;
    const limits = "const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];";
    const update =
      width === "site"
        ? `
          const int y = i / (columns / 2), q = i % (columns / 2);
          const int up = ${before(wrap, "y", "rows")}, down = ${after(wrap, "y", "rows")};
          const int x = 2 * q + ((y + step) & 1);
          const ${wide ? "unsigned int" : "int"} number = noise[i];
          ${site}`
        : `
          const int y = i / (columns / 8), g = i % (columns / 8);
          const int up = ${before(wrap, "y", "rows")}, down = ${after(wrap, "y", "rows")};
          const ${vector} r = reinterpret_cast<const ${vector}*>(noise)[i];
          const ${wide ? "unsigned int" : "int"} numbers[4] = {r.x, r.y, r.z, r.w};
          #pragma unroll
          for (int w = 0; w < 4; ++w) {
            const ${wide ? "unsigned int" : "int"} number = numbers[w];
            const int x = 8 * g + 2 * w + ((y + step) & 1);
            ${site}
          }`;
    const source = `
      ${torus.header}
      ${philox(random)}
      ${copyKernel("words")}
      extern "C" __global__ void draw(${item}* __restrict__ noise, const unsigned int* __restrict__ thresholds${torus.params}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(!wide, limits)}
        const uint4 r = four_words(i % (columns / 8), i / (columns / 8), step, seed);
        ${write}
      }

      extern "C" __global__ void update(signed char* spins, const ${item}* __restrict__ noise, const unsigned int* __restrict__ thresholds${torus.params}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(wide, limits)}
        ${update}
      }
    `;
    const groups = (torus.rows * torus.columns) / 8;
    const steps = perStep(torus, (step) =>
      launch("draw", groups / block, block, ["noise", "thresholds", ...torus.args(step)]),
    ).flatMap((draw, step) => [
      draw,
      launch("update", (width === "site" ? 4 * groups : groups) / block, block, [
        "out",
        "noise",
        "thresholds",
        ...torus.args(step),
      ]),
    ]);
    return styled({ source, launches: [copyLaunch("words", torus), ...steps] }, { names: "snake", indent: 4 });
  },
});
