import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { constants, narrow, storeSums, wide } from "./mma-parts.ts";
import { extents, orders, pair, tileOrder } from "./shared.ts";

const directOptions = {
  load: ["words", "int2", "int4"],
  instruction: ["k32", "k16"],
  read: ["plain", "__ldg"],
  axis: ["down", "across", "both"],
  order: orders,
  pairs: [true, false],
  bounds: [false, true],
  unroll: [false, true],
  block: ["2x4", "4x4", "2x8", "4x8"],
} as const;

type DirectChoice = Chosen<typeof directOptions>;

function directProducts(o: DirectChoice): string {
  const lines = (a: string, b: string): string =>
    o.instruction === "k32"
      ? `mma_k32(sums[i][j], ${a}, ${b});`
      : `mma_k16(sums[i][j], ${a}[0], ${a}[1], ${b}[0]);
mma_k16(sums[i][j], ${a}[2], ${a}[3], ${b}[1]);`;
  return `#pragma unroll
for (int i = 0; i < MI; ++i) {
#pragma unroll
for (int j = 0; j < NJ; ++j) {
${o.load === "int4" ? `${lines("fa[i]", "fb[j]")}\n${lines("fa[i] + 4", "fb[j] + 2")}` : lines("fa[i]", "fb[j]")}
}
}`;
}

function directLoads(o: DirectChoice): string {
  const get = (type: string, place: string): string =>
    o.read === "plain"
      ? `*reinterpret_cast<const ${type}*>(${place})`
      : `__ldg(reinterpret_cast<const ${type}*>(${place}))`;
  if (o.load === "words")
    return `#pragma unroll
for (int i = 0; i < MI; ++i) {
const signed char* at = a_row + (size_t)i * 16 * K + k0 + lane % 4 * 4;
fa[i][0] = ${get("unsigned", "at")};
fa[i][1] = ${get("unsigned", "at + 8 * K")};
fa[i][2] = ${get("unsigned", "at + 16")};
fa[i][3] = ${get("unsigned", "at + 8 * K + 16")};
}
#pragma unroll
for (int j = 0; j < NJ; ++j) {
const signed char* at = b_row + (size_t)j * 8 * K + k0 + lane % 4 * 4;
fb[j][0] = ${get("unsigned", "at")};
fb[j][1] = ${get("unsigned", "at + 16")};
}`;
  const quad = o.load === "int4";
  const type = quad ? "uint4" : "uint2";
  const bytes = quad ? 16 : 8;
  const more = (to: string, low: string, high: string, places: readonly number[]): string =>
    places.length === 4
      ? `${to}[${places[0]}] = ${low}.z;\n${to}[${places[1]}] = ${high}.z;\n${to}[${places[2]}] = ${low}.w;\n${to}[${places[3]}] = ${high}.w;`
      : `${to}[${places[0]}] = ${low}.z;\n${to}[${places[1]}] = ${low}.w;`;
  return `// Both operands permute k alike: a lane takes ${bytes} neighbouring bytes.
#pragma unroll
for (int i = 0; i < MI; ++i) {
const signed char* at = a_row + (size_t)i * 16 * K + k0 + lane % 4 * ${bytes};
const ${type} low = ${get(type, "at")};
const ${type} high = ${get(type, "at + 8 * K")};
fa[i][0] = low.x;
fa[i][1] = high.x;
fa[i][2] = low.y;
fa[i][3] = high.y;
${on(quad, more("fa[i]", "low", "high", [4, 5, 6, 7]))}
}
#pragma unroll
for (int j = 0; j < NJ; ++j) {
const ${type} v = ${get(type, `b_row + (size_t)j * 8 * K + k0 + lane % 4 * ${bytes}`)};
fb[j][0] = v.x;
fb[j][1] = v.y;
${on(quad, more("fb[j]", "v", "v", [2, 3]))}
}`;
}

/** mma.sync on fragments that each lane reads from global memory itself. */
export const mmaDirect = template({
  id: "mma-direct",
  from: "fragments-direct",
  idea: "Issue mma.sync with operands that every lane reads from global memory itself",
  options: directOptions,
  count: 24,
  write(o, s) {
    const { m, n } = extents(s);
    const [mi, nj] = pair(o.block);
    const [down, across] = o.axis === "down" ? [4, 1] : o.axis === "across" ? [1, 4] : [2, 2];
    const fragments = o.load === "int4" ? "unsigned fa[MI][8], fb[NJ][4];" : "unsigned fa[MI][4], fb[NJ][2];";
    const source = `${constants(s)}constexpr int MI = ${mi}, NJ = ${nj};
constexpr int DOWN = ${down}, ACROSS = ${across};

${o.instruction === "k32" ? wide : narrow}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(128) ")}mma_from_global(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
const int lane = threadIdx.x % 32;
const int warp = threadIdx.x / 32;
${tileOrder(o.order)}
const int row = (tile_row * DOWN + warp / ACROSS) * MI * 16;
const int col = (tile_col * ACROSS + warp % ACROSS) * NJ * 8;
const signed char* a_row = a + (size_t)(row + lane / 4) * K;
const signed char* b_row = b + (size_t)(col + lane / 4) * K;
int sums[MI][NJ][4] = {};
${on(o.unroll, "#pragma unroll 2\n")}for (int k0 = 0; k0 < K; k0 += ${o.load === "int4" ? 64 : 32}) {
${fragments}
${directLoads(o)}
${directProducts(o)}
}
${storeSums(o.pairs, "row", "col")}
}
`;
    const grid: [number, number] = [n / (across * nj * 8), m / (down * mi * 16)];
    const draft = { source, launches: [launch("mma_from_global", grid, 128, ["a", "b", "c"])] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});
