import { on } from "../kit/code.ts";

const polynomial = 0xedb88320;

/** How a 32-bit word enters the remainder. */
export type Form = "branch" | "mask" | "select" | "bytes" | "slice" | "nibbles";

/** Number of tables of 256 (or 16, for nibbles) entries that a form reads. */
const tablesOf: Readonly<Record<Form, number>> = {
  branch: 0,
  mask: 0,
  select: 0,
  bytes: 1,
  slice: 4,
  nibbles: 1,
};

export function bitStep(form: Form, value = "r"): string {
  if (form === "branch") {
    return `
      if (${value} & 1u) ${value} = (${value} >> 1) ^ POLY;
      else ${value} >>= 1;`;
  }
  if (form === "select") return `${value} = (${value} & 1u) ? (${value} >> 1) ^ POLY : ${value} >> 1;`;
  return `${value} = (${value} >> 1) ^ (POLY & (0u - (${value} & 1u)));`;
}

/** A function that takes a word into the remainder; tables hold each entry `copies` times, and `table` points at the caller's. */
export function takeWord(form: Form, copies = 1): string {
  const times = on(copies > 1, ` * ${copies}`);
  const bodies: Readonly<Record<Form, string>> = {
    branch: bits("branch"),
    mask: bits("mask"),
    select: bits("select"),
    bytes: `
      #pragma unroll
      for (int k = 0; k < 4; ++k) {
        r = (r >> 8) ^ table[((r ^ word) & 255u)${times}];
        word >>= 8;
      }
      return r;`,
    slice: `
      r ^= word;
      return table[(768 + (r & 255u))${times}] ^ table[(512 + ((r >> 8) & 255u))${times}]
           ^ table[(256 + ((r >> 16) & 255u))${times}] ^ table[(r >> 24)${times}];`,
    nibbles: `
      r ^= word;
      #pragma unroll
      for (int k = 0; k < 8; ++k) {
        r = (r >> 4) ^ table[(r & 15u)${times}];
      }
      return r;`,
  };
  return `
    __device__ __forceinline__ unsigned int take_word(unsigned int r, unsigned int word, const unsigned int* table) {
      ${bodies[form]}
    }
  `;
}

const bits = (form: Form): string => `
  r ^= word;
  #pragma unroll
  for (int bit = 0; bit < 32; ++bit) {
    ${bitStep(form)}
  }
  return r;`;

/** Declares the tables of a form in shared memory and fills them; afterwards `table` points at this thread's copy. */
export function sharedTables(form: Form, block: number, copies = 1): string {
  const tables = tablesOf[form];
  if (tables === 0) return "const unsigned int* table = nullptr;";
  const entries = form === "nibbles" ? 16 : 256 * tables;
  const step = form === "nibbles" ? "4" : on(tables > 1, "8 * (j / 256 + 1)", "8");
  return `
    __shared__ unsigned int tables[${entries * copies}];
    for (int j = threadIdx.x; j < ${entries}; j += ${block}) {
      unsigned int r = j${on(tables > 1, " % 256")};
      for (int bit = 0; bit < ${step}; ++bit) {
        ${bitStep("mask")}
      }
      ${copies > 1 ? `for (int c = 0; c < ${copies}; ++c) tables[j * ${copies} + c] = r;` : "tables[j] = r;"}
    }
    __syncthreads();
    const unsigned int* table = tables${on(copies > 1, ` + threadIdx.x % ${copies}`)};`;
}

/** x to the power of `bits` modulo the polynomial, reflected. */
export function power(exponent: number): number {
  let value = 0x80000000;
  for (let k = 0; k < exponent; k++) value = (value & 1 ? (value >>> 1) ^ polynomial : value >>> 1) >>> 0;
  return value;
}

export const hexadecimal = (value: number): string => `0x${value.toString(16).padStart(8, "0")}u`;

/** The product of two remainders modulo the polynomial. */
export function multiply(way: "loop" | "unrolled" | "early"): string {
  const body =
    way === "early"
      ? `
        while (a != 0u) {
          if (a & 0x80000000u) product ^= b;
          a <<= 1;
          ${bitStep("mask", "b")}
        }`
      : `
        ${way === "unrolled" ? "#pragma unroll" : "#pragma unroll 1"}
        for (int k = 31; k >= 0; --k) {
          product ^= b & (0u - ((a >> k) & 1u));
          ${bitStep("mask", "b")}
        }`;
  return `
    __device__ ${on(way === "unrolled", "__forceinline__ ")}unsigned int multiply(unsigned int a, unsigned int b) {
      unsigned int product = 0;
      ${body}
      return product;
    }
  `;
}

/** Exclusive or over a warp. */
export function warpXor(way: "redux" | "xor" | "down"): string {
  const body = {
    redux: "return __reduce_xor_sync(0xffffffffu, v);",
    xor: "#pragma unroll\nfor (int lanes = 16; lanes > 0; lanes >>= 1) v ^= __shfl_xor_sync(0xffffffffu, v, lanes);\nreturn v;",
    down: "for (int lanes = 1; lanes < 32; lanes *= 2) v ^= __shfl_down_sync(0xffffffffu, v, lanes);\nreturn v;",
  }[way];
  return `
    __device__ __forceinline__ unsigned int warp_xor(unsigned int v) {
      ${body}
    }
  `;
}
