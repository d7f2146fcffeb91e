import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { sharedTables, takeWord } from "./words.ts";

/** Data pass through shared memory in tiles that are read in order. */
export const stagedTiles: Template = template({
  id: "staged-tiles",
  from: "slicing",
  idea: "Read tiles of many blocks in order into shared memory and let every thread take its own row from there.",
  options: {
    form: ["bytes", "slice", "mask", "nibbles"],
    width: [16, 32, 8],
    layout: ["padded", "plain", "turned"],
    copy: ["flat", "rows"],
    ahead: [false, true],
    copies: [1, 4, 2],
    block: [64, 128, 32],
    bounds: [false, true],
    pragma: [false, true],
  },
  valid: ({ form, copies, ahead, copy }) =>
    (form === "bytes" || form === "slice" || copies === 1) && (!ahead || copy === "flat"),
  count: 27,
  write: ({ form, width, layout, copy, ahead, copies, block, bounds, pragma }, { blocks = 0, length = 0 }) => {
    const words = length / 4;
    const cell = (row: string, column: string): string =>
      layout === "turned" ? `tile[${column}][${row}]` : `tile[${row}][${column}]`;
    const shape = { padded: "[BLOCK][WIDTH + 1]", plain: "[BLOCK][WIDTH]", turned: "[WIDTH][BLOCK + 1]" }[layout];
    const fetched = (start: string): string =>
      `base[(size_t)((threadIdx.x + k * BLOCK) / WIDTH) * WORDS + ${start} + (threadIdx.x + k * BLOCK) % WIDTH]`;
    const store = cell("(threadIdx.x + k * BLOCK) / WIDTH", "(threadIdx.x + k * BLOCK) % WIDTH");
    const flat = (line: string): string => `#pragma unroll\nfor (int k = 0; k < WIDTH; ++k) ${line}`;
    const rows = `
      for (int row = threadIdx.x / WIDTH; row < BLOCK; row += BLOCK / WIDTH) {
        ${cell("row", "threadIdx.x % WIDTH")} = base[(size_t)row * WORDS + start + threadIdx.x % WIDTH];
      }`;
    const source = `
      #define POLY 0xedb88320u
      #define BLOCK ${block}
      #define WIDTH ${width}
      #define WORDS ${words}

      ${takeWord(form, copies)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}crc_tiles(const unsigned int* __restrict__ data, unsigned int* __restrict__ crc) {
        __shared__ unsigned int tile${shape};
        ${sharedTables(form, block, copies)}
        const unsigned int* base = data + (size_t)blockIdx.x * BLOCK * WORDS;
        unsigned int r = 0xffffffffu;
        ${on(ahead, `unsigned int next[WIDTH];\n${flat(`next[k] = ${fetched("0")};`)}`)}
        for (int start = 0; start < WORDS; start += WIDTH) {
          ${ahead ? flat(`${store} = next[k];`) : copy === "flat" ? flat(`${store} = ${fetched("start")};`) : rows}
          __syncthreads();
          ${on(ahead, `if (start + WIDTH < WORDS) {\n${flat(`next[k] = ${fetched("start + WIDTH")};`)}\n}`)}
          ${on(pragma, "#pragma unroll 4")}
          for (int i = 0; i < WIDTH; ++i) r = take_word(r, ${cell("threadIdx.x", "i")}, table);
          __syncthreads();
        }
        crc[blockIdx.x * BLOCK + threadIdx.x] = ~r;
      }
    `;
    return styled(
      { source, launches: [launch("crc_tiles", blocks / block, block, ["data", "crc"])] },
      { names: "snake", indent: 2 },
    );
  },
});
