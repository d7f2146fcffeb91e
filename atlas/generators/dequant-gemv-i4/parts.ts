export type Sizes = Readonly<Record<string, number>>;
export type Decode = "shift" | "signed" | "magic" | "halves" | "table" | "bytes";

/** `decode8(word, w)`: the eight weights of a word, without their scale; `raw` leaves their offset of 8 in. */
export function decode8(decode: Decode, raw = false): string {
  const loop = (body: string): string => `
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
      ${body}
    }`;
  const minus = raw ? "" : " - 8.0f";
  const bodies: Readonly<Record<Decode, string>> = {
    shift: loop(
      raw ? "w[i] = (float)((word >> (4 * i)) & 15u);" : "w[i] = (float)((int)((word >> (4 * i)) & 15u) - 8);",
    ),
    signed: `word ^= 0x88888888u;\n${loop("w[i] = (float)((int)(word << (28 - 4 * i)) >> 28);")}`,
    magic: loop("w[i] = __uint_as_float(0x4b000000u | ((word >> (4 * i)) & 15u)) - 8388616.0f;"),
    table: loop("w[i] = nibble_values[(word >> (4 * i)) & 15u];"),
    bytes: `
      unsigned int even = word & 0x0f0f0f0fu;
      unsigned int odd = (word >> 4) & 0x0f0f0f0fu;
      #pragma unroll
      for (int i = 0; i < 4; ++i) {
        w[2 * i] = (float)((even >> (8 * i)) & 255u)${minus};
        w[2 * i + 1] = (float)((odd >> (8 * i)) & 255u)${minus};
      }`,
    halves: `
      #pragma unroll
      for (int i = 0; i < 4; ++i) {
        unsigned int two = ((word >> (4 * i)) & 0x000f000fu) | 0x64006400u;
        float2 pair = __half22float2(__hsub2(*reinterpret_cast<half2*>(&two), __float2half2_rn(1032.0f)));
        w[i] = pair.x;
        w[i + 4] = pair.y;
      }`,
  };
  const table =
    decode === "table"
      ? "__constant__ float nibble_values[16] = {-8.0f, -7.0f, -6.0f, -5.0f, -4.0f, -3.0f, -2.0f, -1.0f, 0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f};\n"
      : "";
  return `
    ${table}
    __device__ __forceinline__ void decode8(unsigned int word, float* w) {
      ${bodies[decode]}
    }
  `;
}

export const dimensions = ({ rows = 0, cols = 0 }: Sizes, kind: "define" | "constexpr" | "enum"): string => {
  const all = { ROWS: rows, COLS: cols, WORDS: cols / 8, GROUPS: cols / 128 };
  const entries = Object.entries(all);
  if (kind === "enum") return `enum { ${entries.map(([name, value]) => `${name} = ${value}`).join(", ")} };`;
  return entries
    .map(([name, value]) => (kind === "define" ? `#define ${name} ${value}` : `constexpr int ${name} = ${value};`))
    .join("\n");
};

export const warpTotal = (style: "xor" | "down"): string => `
  __device__ __forceinline__ float warp_total(float v) {
    #pragma unroll
    for (int hop = 16; hop > 0; hop >>= 1) v += ${style === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync"}(0xffffffffu, v, hop);
    return v;
  }
`;

/** Adds a word's eight products to `into`; `x4` names the vector as float4, `at` the word's index. */
export const addWord = (
  into: string,
  word: string,
  x4: string,
  at: string,
  style: "quads" | "loop" = "quads",
): string =>
  style === "quads"
    ? `{
        float w[8];
        decode8(${word}, w);
        const float4 low = ${x4}[2 * (${at})], high = ${x4}[2 * (${at}) + 1];
        ${into} += w[0] * low.x + w[1] * low.y + w[2] * low.z + w[3] * low.w;
        ${into} += w[4] * high.x + w[5] * high.y + w[6] * high.z + w[7] * high.w;
      }`
    : `{
        float w[8];
        decode8(${word}, w);
        #pragma unroll
        for (int e = 0; e < 8; ++e) ${into} = fmaf(w[e], ((const float*)${x4})[8 * (${at}) + e], ${into});
      }`;

/** The members of a vector of words. */
export const members = (width: 1 | 2 | 4): readonly string[] =>
  width === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, width);

export const wordType = (width: 1 | 2 | 4): string => ({ 1: "unsigned int", 2: "uint2", 4: "uint4" })[width];
