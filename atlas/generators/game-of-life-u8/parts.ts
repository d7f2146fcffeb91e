import type { Launch } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";

export type Adder = "nine" | "eight" | "count" | "lop";

/** Launches that hand a plane on, `first` to begin with, then `odd` and `even` in turn. */
export function generations(
  count: number,
  planes: { first: string; odd: string; even: string },
  one: (from: string, to: string) => readonly Launch[],
): Launch[] {
  return Array.from({ length: count }, (_, index) => {
    const to = index % 2 === 0 ? planes.odd : planes.even;
    const from = index === 0 ? planes.first : index % 2 === 0 ? planes.even : planes.odd;
    return one(from, to);
  }).flat();
}

const nextWord: Record<Adder, string> = {
  nine: `
    const Word ones = up.s ^ here.s ^ down.s;
    const Word carry = (up.s & here.s) | (down.s & (up.s ^ here.s));
    const Word twos = up.c ^ here.c ^ down.c;
    const Word fours = (up.c & here.c) | (down.c & (up.c ^ here.c));
    const Word low = twos ^ carry;
    const Word high = fours ^ (twos & carry);
    return (ones & low & ~high) | (here.m & ~ones & ~low & high);`,
  eight: `
    const Word ones = up.s ^ here.p ^ down.s;
    const Word carry = (up.s & here.p) | (down.s & (up.s ^ here.p));
    const Word twos = up.c ^ here.q ^ down.c;
    const Word fours = (up.c & here.q) | (down.c & (up.c ^ here.q));
    return (twos ^ carry) & ~fours & (ones | here.m);`,
  count: `
    Word b0 = 0, b1 = 0, b2 = 0;
    const Word eight[8] = {up.l, up.m, up.r, here.l, here.r, down.l, down.m, down.r};
    #pragma unroll
    for (int k = 0; k < 8; ++k) {
      const Word c0 = b0 & eight[k];
      b0 ^= eight[k];
      const Word c1 = b1 & c0;
      b1 ^= c0;
      b2 |= c1;
    }
    return b1 & ~b2 & (b0 | here.m);`,
  lop: `
    const Word ones = parity(up.s, here.p, down.s);
    const Word carry = majority(up.s, here.p, down.s);
    const Word twos = parity(up.c, here.q, down.c);
    const Word fours = majority(up.c, here.q, down.c);
    return (twos ^ carry) & ~fours & (ones | here.m);`,
};

const logic = `
  __device__ __forceinline__ Word parity(Word a, Word b, Word c) {
    Word d;
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }

  __device__ __forceinline__ Word majority(Word a, Word b, Word c) {
    Word d;
    asm("lop3.b32 %0, %1, %2, %3, 0xe8;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
`;

/** Rows of cells as bits: `make_row` joins a word with its neighbours, `next_word` applies the rule to three rows. */
export function bitRule(adder: Adder, bits: 32 | 64 = 32, funnel = false): string {
  const left = funnel ? "__funnelshift_l(before, m, 1)" : `(m << 1) | (before >> ${bits - 1})`;
  const right = funnel ? "__funnelshift_r(m, after, 1)" : `(m >> 1) | (after << ${bits - 1})`;
  const fields = adder === "count" ? "l, m, r" : adder === "nine" ? "m, s, c" : "m, p, q, s, c";
  const sums = {
    count: "",
    nine: "row.s = l ^ m ^ r;\nrow.c = (l & m) | (r & (l ^ m));",
    eight: "row.p = l ^ r;\nrow.q = l & r;\nrow.s = row.p ^ m;\nrow.c = row.q | (row.p & m);",
    lop: "row.p = l ^ r;\nrow.q = l & r;\nrow.s = parity(l, m, r);\nrow.c = majority(l, m, r);",
  }[adder];
  return `
    typedef unsigned ${bits === 32 ? "int" : "long long"} Word;
    ${on(adder === "lop", logic)}
    // A row of cells with what its left and right neighbours add.
    struct Row {
      Word ${fields};
    };

    __device__ __forceinline__ Row make_row(Word before, Word m, Word after) {
      const Word l = ${left};
      const Word r = ${right};
      Row row;
      row.m = m;
      ${on(adder === "count", "row.l = l;\nrow.r = r;")}
      ${sums}
      return row;
    }

    __device__ __forceinline__ Word next_word(const Row& up, const Row& here, const Row& down) {
      ${nextWord[adder]}
    }
  `;
}

export type Packing = "ballot" | "bytes" | "multiply";

/** Cells to bits in a launch of their own. */
export function packing(style: Packing, height: number, width: number): { source: string; launch: Launch } {
  const total = height * width;
  const body = {
    ballot: `
      const unsigned int e = blockIdx.x * 256 + threadIdx.x;
      const unsigned int word = __ballot_sync(0xffffffffu, cells[e] != 0);
      if (threadIdx.x % 32 == 0) bits[e / 32] = word;`,
    bytes: `
      const unsigned int e = blockIdx.x * 256 + threadIdx.x;
      unsigned int word = 0;
      for (int b = 0; b < 32; ++b) word |= (unsigned int)cells[32 * e + b] << b;
      bits[e] = word;`,
    multiply: `
      const unsigned int e = blockIdx.x * 256 + threadIdx.x;
      const uint4* quads = reinterpret_cast<const uint4*>(cells) + 2 * e;
      const uint4 low = quads[0], high = quads[1];
      const unsigned int parts[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      unsigned int word = 0;
      #pragma unroll
      for (int k = 0; k < 8; ++k) word |= (parts[k] * 0x01020408u >> 24 & 15u) << (4 * k);
      bits[e] = word;`,
  }[style];
  return {
    source: `
      extern "C" __global__ void pack_cells(const unsigned char* __restrict__ cells, unsigned int* __restrict__ bits) {
        ${body}
      }
    `,
    launch: launch("pack_cells", total / 256 / (style === "ballot" ? 1 : 32), 256, ["cells", "bits"]),
  };
}

export type Unpacking = "cell" | "four" | "sixteen";

/** Bits to cells in a launch of their own. */
export function unpacking(
  style: Unpacking,
  height: number,
  width: number,
  from = "bits",
): { source: string; launch: Launch } {
  const each = { cell: 1, four: 4, sixteen: 16 }[style];
  const spread = (bits: string): string => `(${bits}) * 0x00204081u & 0x01010101u`;
  const body = {
    cell: "out[e] = bits[e / 32] >> e % 32 & 1u;",
    four: `reinterpret_cast<unsigned int*>(out)[e] = ${spread("bits[e / 8] >> 4 * (e % 8) & 15u")};`,
    sixteen: `const unsigned int half = bits[e / 2] >> 16 * (e % 2);
      reinterpret_cast<uint4*>(out)[e] = make_uint4(${[0, 4, 8, 12].map((shift) => spread(`half >> ${shift} & 15u`)).join(", ")});`,
  }[style];
  return {
    source: `
      extern "C" __global__ void unpack_cells(const unsigned int* __restrict__ bits, unsigned char* __restrict__ out) {
        const unsigned int e = blockIdx.x * 256 + threadIdx.x;
        ${body}
      }
    `,
    launch: launch("unpack_cells", (height * width) / each / 256, 256, [from, "out"]),
  };
}
