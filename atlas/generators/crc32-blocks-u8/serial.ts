import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bitStep } from "./words.ts";

type Read = "bytes" | "words" | "pairs" | "quads";

/** A loop over one block's data that puts every 32-bit word through `take`. */
function wordLoop(read: Read, take: (word: string) => string, words: number, pragma = ""): string {
  if (read === "words") {
    return `
      const unsigned int* in = reinterpret_cast<const unsigned int*>(data) + (size_t)block * ${words};
      ${pragma}
      for (int i = 0; i < ${words}; ++i) {
        ${take("in[i]")}
      }`;
  }
  const [type, parts] =
    read === "pairs" ? (["uint2", ["x", "y"]] as const) : (["uint4", ["x", "y", "z", "w"]] as const);
  return `
    const ${type}* in = reinterpret_cast<const ${type}*>(data) + (size_t)block * ${words / parts.length};
    ${pragma}
    for (int i = 0; i < ${words / parts.length}; ++i) {
      ${type} v = in[i];
      ${parts.map((part) => take(`v.${part}`)).join("\n")}
    }`;
}

const guard = (exact: boolean): string => on(!exact, "if (block >= blocks) return;");

/** One thread per block of data, bit by bit. */
export const serialBits: Template = template({
  id: "bit-by-bit",
  from: null,
  idea: "A thread divides its block bit by bit, with other ways to select the polynomial and to read the data.",
  options: {
    step: ["branch", "mask", "select"],
    read: ["bytes", "words", "pairs", "quads"],
    rolled: [false, true],
    exact: [false, true],
    split: [false, true],
    block: [64, 128, 256, 32],
    restrict: [false, true],
  },
  count: 25,
  write: ({ step, read, rolled, exact, split, block, restrict }, { blocks = 0, length = 0 }) => {
    const pragma = rolled ? "#pragma unroll 1" : "#pragma unroll";
    const eat = (count: number): string => `
      ${pragma}
      for (int bit = 0; bit < ${count}; ++bit) {
        ${bitStep(step)}
      }`;
    const take = (word: string): string =>
      split
        ? `
        {
          unsigned int word = ${word};
          for (int k = 0; k < 4; ++k) {
            r ^= (word >> (8 * k)) & 255u;
            ${eat(8)}
          }
        }`
        : `r ^= ${word};\n${eat(32)}`;
    const loop =
      read === "bytes"
        ? `
        for (int i = 0; i < ${length}; ++i) {
          r ^= data[(size_t)block * ${length} + i];
          ${eat(8)}
        }`
        : wordLoop(read, take, length / 4);
    const source = `
      #define POLY 0xedb88320u

      extern "C" __global__ void crc_bits(const unsigned char* ${on(restrict, "__restrict__ ")}data, unsigned int* ${on(restrict, "__restrict__ ")}crc, int blocks) {
        int block = blockIdx.x * ${block} + threadIdx.x;
        ${guard(exact)}
        unsigned int r = 0xffffffffu;
        ${loop}
        crc[block] = ~r;
      }
    `;
    const launches = [launch("crc_bits", Math.ceil(blocks / block), block, ["data", "crc", { i32: blocks }])];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** One table of 256 remainders, wherever it lies. */
export const byteTable: Template = template({
  id: "byte-table",
  from: "bit-by-bit",
  idea: "Look up the remainder of a whole byte in a table.",
  options: {
    place: ["computed", "global", "global-ldg", "copied", "local"],
    read: ["bytes", "words", "pairs", "quads"],
    copies: [1, 4, 32, 16],
    exact: [true, false],
    form: ["rolled", "unrolled"],
    block: [128, 64, 256],
    volume: ["one", "loop"],
  },
  valid: ({ place, copies }) => copies === 1 || place === "computed" || place === "copied",
  count: 26,
  write: ({ place, read, copies, exact, form, block, volume }, { blocks = 0, length = 0 }) => {
    const scaled = copies > 1 ? ` * ${copies} + copy` : "";
    const entry = (index: string): string =>
      ({
        computed: `table[(${index})${scaled}]`,
        copied: `table[(${index})${scaled}]`,
        global: `lookup[${index}]`,
        "global-ldg": `__ldg(lookup + (${index}))`,
        local: `table[${index}]`,
      })[place];
    const remainder = `
      unsigned int v = j;
      for (int bit = 0; bit < 8; ++bit) {
        ${bitStep("select", "v")}
      }`;
    const shared = `
      __shared__ unsigned int table[256 * ${copies}];
      for (int j = threadIdx.x; j < 256; j += ${block}) {
        ${place === "copied" ? "unsigned int v = lookup[j];" : remainder}
        for (int c = 0; c < ${copies}; ++c) table[j * ${copies} + c] = v;
      }
      ${on(copies > 1, `const int copy = threadIdx.x % ${copies};`)}
      __syncthreads();`;
    const prepare = {
      computed: shared,
      copied: shared,
      global: "",
      "global-ldg": "",
      local: `unsigned int table[256];\nfor (int j = 0; j < 256; ++j) {\n${remainder}\ntable[j] = v;\n}`,
    }[place];
    const take = (word: string): string => `
      {
        unsigned int rest = ${word};
        #pragma unroll ${form === "unrolled" ? 4 : 1}
        for (int k = 0; k < 4; ++k, rest >>= 8) r = (r >> 8) ^ ${entry("(r ^ rest) & 255u")};
      }`;
    const loop =
      read === "bytes"
        ? `
        ${on(form === "unrolled", "#pragma unroll 8")}
        for (int i = 0; i < ${length}; ++i) {
          r = (r >> 8) ^ ${entry(`(r ^ data[(size_t)block * ${length} + i]) & 255u`)};
        }`
        : wordLoop(read, take, length / 4);
    const external = place !== "computed" && place !== "local";
    const body = `unsigned int r = 0xffffffffu;\n${loop}\ncrc[block] = ~r;`;
    const source = `
      #define POLY 0xedb88320u

      ${on(
        external,
        `
      extern "C" __global__ void make_table(unsigned int* lookup) {
        unsigned int j = threadIdx.x;
        ${remainder}
        lookup[j] = v;
      }`,
      )}

      extern "C" __global__ void crc_bytes(const unsigned char* __restrict__ data, unsigned int* crc, int blocks${on(external, ", const unsigned int* __restrict__ lookup")}) {
        ${prepare}
        ${
          volume === "loop"
            ? `for (int block = blockIdx.x * ${block} + threadIdx.x; block < blocks; block += gridDim.x * ${block}) {\n${body}\n}`
            : `int block = blockIdx.x * ${block} + threadIdx.x;\n${guard(exact)}\n${body}`
        }
      }
    `;
    const grid = Math.ceil(blocks / block / (volume === "loop" ? 2 : 1));
    const scan = launch("crc_bytes", grid, block, ["data", "crc", { i32: blocks }, ...(external ? ["lookup"] : [])]);
    const launches = external ? [launch("make_table", 1, 256, ["lookup"]), scan] : [scan];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Tables of 16 remainders: in registers across a warp, in shared or local memory. */
export const nibbleTable: Template = template({
  id: "nibble-table",
  from: "byte-table",
  idea: "Use a table of sixteen remainders, small enough for the registers of a warp.",
  options: {
    place: ["shared", "shuffle", "constant", "local", "bits"],
    read: ["words", "bytes", "pairs", "quads"],
    order: ["word", "byte"],
    copies: [1, 2, 32],
    rolled: [false, true],
    block: [128, 64, 256],
    pragma: [false, true],
  },
  valid: ({ place, copies, read, order }) =>
    (place === "shared" || copies === 1) && (read !== "bytes" || order === "byte"),
  count: 25,
  write: ({ place, read, order, copies, rolled, block, pragma }, { blocks = 0, length = 0 }) => {
    const entry = {
      shared: copies > 1 ? `table[(r & 15u) * ${copies} + threadIdx.x % ${copies}]` : "table[r & 15u]",
      shuffle: "__shfl_sync(0xffffffffu, mine, r & 15u)",
      constant: "nibbles[r & 15u]",
      local: "table[r & 15u]",
      bits: "of_nibble(r & 15u)",
    }[place];
    const remainder = "unsigned int v = j;\nfor (int bit = 0; bit < 4; ++bit) v = (v >> 1) ^ (POLY & (0u - (v & 1u)));";
    const prepare = {
      shared: `
        __shared__ unsigned int table[16 * ${copies}];
        if (threadIdx.x < 16) {
          unsigned int j = threadIdx.x;
          ${remainder}
          for (int c = 0; c < ${copies}; ++c) table[j * ${copies} + c] = v;
        }
        __syncthreads();`,
      shuffle: `unsigned int j = threadIdx.x & 15u;\n${remainder}\nconst unsigned int mine = v;`,
      constant: "",
      local: `unsigned int table[16];\n#pragma unroll\nfor (int j = 0; j < 16; ++j) {\n${remainder}\ntable[j] = v;\n}`,
      bits: "",
    }[place];
    const table = Array.from({ length: 16 }, (_, j) => {
      let v = j;
      for (let bit = 0; bit < 4; bit++) v = (v & 1 ? (v >>> 1) ^ 0xedb88320 : v >>> 1) >>> 0;
      return `0x${v.toString(16).padStart(8, "0")}u`;
    });
    const eat = (count: number): string =>
      `#pragma unroll ${rolled ? 1 : count}\nfor (int k = 0; k < ${count}; ++k) r = (r >> 4) ^ ${entry};`;
    const take = (word: string): string =>
      order === "word"
        ? `r ^= ${word};\n${eat(8)}`
        : `{\nunsigned int w = ${word};\nfor (int b = 0; b < 32; b += 8) {\nr ^= (w >> b) & 255u;\n${eat(2)}\n}\n}`;
    const loop =
      read === "bytes"
        ? `for (int i = 0; i < ${length}; ++i) {\nr ^= data[(size_t)block * ${length} + i];\n${eat(2)}\n}`
        : wordLoop(read, take, length / 4, on(pragma, "#pragma unroll 2"));
    const source = `
      #define POLY 0xedb88320u

      ${on(place === "constant", `__constant__ unsigned int nibbles[16] = {\n${table.join(", ")}\n};`)}
      ${on(place === "bits", ofNibble)}
      extern "C" __global__ void crc_nibbles(const unsigned char* __restrict__ data, unsigned int* __restrict__ crc) {
        ${prepare}
        int block = blockIdx.x * blockDim.x + threadIdx.x;
        unsigned int r = 0xffffffffu;
        ${loop}
        crc[block] = ~r;
      }
    `;
    return styled(
      { source, launches: [launch("crc_nibbles", blocks / block, block, ["data", "crc"])] },
      { names: "snake", indent: 2 },
    );
  },
});

const ofNibble = `
  // Remainder of a nibble from the remainders of its four bits.
  __device__ __forceinline__ unsigned int of_nibble(unsigned int nibble) {
    unsigned int v = (nibble & 8u) ? POLY : 0u;
    v ^= (nibble & 4u) ? POLY >> 1 : 0u;
    v ^= (nibble & 2u) ? POLY >> 2 : 0u;
    return v ^ ((nibble & 1u) ? POLY >> 3 : 0u);
  }
`;

/** Several tables, so that the lookups of a word do not wait for each other. */
export const slicing: Template = template({
  id: "slicing",
  from: "byte-table",
  idea: "Use a table per byte of a word, so that the lookups of several bytes are independent.",
  options: {
    bytes: [4, 8, 16],
    copies: [1, 2, 4],
    read: ["words", "quads", "pairs"],
    fill: ["steps", "chained"],
    split: ["shifts", "permute", "cast"],
    sum: ["chain", "tree"],
    block: [128, 256, 64],
    volume: ["one", "loop"],
    pragma: [false, true],
  },
  valid: ({ bytes, copies, read }) =>
    bytes * copies <= 32 && (read === "words" ? bytes === 4 : read === "quads" || bytes === 8),
  count: 27,
  write: ({ bytes, copies, read, fill, split, sum, block, volume, pragma }, { blocks = 0, length = 0 }) => {
    const times = on(copies > 1, ` * ${copies} + copy`);
    const words = bytes / 4;
    const octet = (word: string, k: number): string => {
      if (split === "cast") return `(unsigned int)(unsigned char)(${word} >> ${8 * k})`;
      return split === "permute" ? `__byte_perm(${word}, 0, 0x444${k})` : `((${word} >> ${8 * k}) & 255u)`;
    };
    const group = (given: readonly string[]): string => {
      const terms = given.flatMap((word, w) =>
        [0, 1, 2, 3].map((k) => `table[${bytes - 1 - 4 * w - k}][${octet(word, k)}${times}]`),
      );
      if (sum === "chain") return terms.join(" ^ ");
      return `(${terms.slice(0, terms.length / 2).join(" ^ ")})\n^ (${terms.slice(terms.length / 2).join(" ^ ")})`;
    };
    const taken = (given: readonly string[]): string => `r ^= ${given[0]};\nr = ${group(["r", ...given.slice(1)])};`;
    const parts = { words: ["in[i]"], pairs: ["v.x", "v.y"], quads: ["v.x", "v.y", "v.z", "v.w"] }[read];
    const groups = Array.from({ length: parts.length / words }, (_, g) =>
      taken(parts.slice(g * words, (g + 1) * words)),
    );
    const type = { words: "unsigned int", pairs: "uint2", quads: "uint4" }[read];
    const body = `
      const ${type}* in = data + (size_t)block * ${length / 4 / parts.length};
      unsigned int r = 0xffffffffu;
      ${on(pragma, "#pragma unroll 2")}
      for (int i = 0; i < ${length / 4 / parts.length}; ++i) {
        ${on(read !== "words", `${type} v = in[i];`)}
        ${groups.join("\n")}
      }
      crc[block] = ~r;`;
    const source = `
      constexpr unsigned int POLY = 0xedb88320u;

      extern "C" __global__ void crc_slices(const ${type}* __restrict__ data, unsigned int* __restrict__ crc, int blocks) {
        __shared__ unsigned int table[${bytes}][256${on(copies > 1, ` * ${copies}`)}];
        ${fillSlices(bytes, copies, fill, block)}
        ${on(copies > 1, `const int copy = threadIdx.x % ${copies};`)}
        ${
          volume === "loop"
            ? `for (int block = blockIdx.x * ${block} + threadIdx.x; block < blocks; block += gridDim.x * ${block}) {\n${body}\n}`
            : `int block = blockIdx.x * ${block} + threadIdx.x;\n${body}`
        }
      }
    `;
    const grid = blocks / block / (volume === "loop" ? 2 : 1);
    return styled(
      { source, launches: [launch("crc_slices", grid, block, ["data", "crc", { i32: blocks }])] },
      { names: "camel", indent: 4 },
    );
  },
});

function fillSlices(bytes: number, copies: number, fill: "steps" | "chained", block: number): string {
  const at = (k: string, j: string): string => `table[${k}][${copies > 1 ? `(${j}) * ${copies} + c` : j}]`;
  const every = on(copies > 1, `for (int c = 0; c < ${copies}; ++c) `);
  if (fill === "steps") {
    return `
      for (int j = threadIdx.x; j < 256 * ${bytes}; j += ${block}) {
        unsigned int v = j & 255;
        for (int bit = 0; bit < 8 * (j / 256 + 1); ++bit) ${bitStep("select", "v")}
        ${every}${at("j / 256", "(j & 255)")} = v;
      }
      __syncthreads();`;
  }
  return `
    for (int j = threadIdx.x; j < 256; j += ${block}) {
      unsigned int v = j;
      for (int bit = 0; bit < 8; ++bit) ${bitStep("select", "v")}
      ${every}${at("0", "j")} = v;
    }
    __syncthreads();
    for (int j = threadIdx.x; j < 256; j += ${block}) {
      unsigned int v = table[0][j${on(copies > 1, ` * ${copies}`)}];
      for (int k = 1; k < ${bytes}; ++k) {
        v = (v >> 8) ^ table[0][(v & 255u)${on(copies > 1, ` * ${copies}`)}];
        ${every}${at("k", "j")} = v;
      }
    }
    __syncthreads();`;
}
