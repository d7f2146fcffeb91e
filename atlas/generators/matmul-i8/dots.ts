import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { extents, pair, sizing } from "./shared.ts";

const threadOptions = {
  product: ["dp4a", "bytes", "helper"],
  load: ["int4", "int2"],
  map: ["x to columns", "x to rows"],
  outputs: [1, 2, 4],
  read: ["plain", "__ldg"],
  unroll: [false, true],
  restrict: [true, false],
  size: ["args", "constexpr", "define"],
  block: ["16x16", "32x8", "8x32", "32x4", "16x8"],
} as const;

const words = { int4: ["x", "y", "z", "w"], int2: ["x", "y"] } as const;

const byteProduct = `__device__ __forceinline__ int four(int p, int q) {
int sum = 0;
#pragma unroll
for (int shift = 0; shift < 32; shift += 8) {
sum += (int)(signed char)(p >> shift) * (int)(signed char)(q >> shift);
}
return sum;
}
`;

function threadProducts(o: Chosen<typeof threadOptions>, index: number): string {
  return words[o.load]
    .map((part) => {
      const [p, q] = [`p${index}.${part}`, `q.${part}`];
      if (o.product === "bytes") return `sum${index} += four(${p}, ${q});`;
      if (o.product === "helper") return `accumulate(sum${index}, ${p}, ${q});`;
      return `sum${index} = __dp4a(${p}, ${q}, sum${index});`;
    })
    .join("\n");
}

/** A thread reads whole rows of A and B. */
export const dotPerThread = template({
  id: "dot-per-thread",
  from: null,
  idea: "Let each thread take the dot product of two rows straight from global memory, many bytes per load",
  options: threadOptions,
  count: 22,
  write(o, s) {
    const { m, n } = extents(s);
    const size = sizing(o.size, s);
    const [bx, by] = pair(o.block);
    const q = on(o.restrict, " __restrict__");
    const swap = o.map === "x to rows";
    const [rowAxis, colAxis] = swap ? ["x", "y"] : ["y", "x"];
    const helper =
      o.product === "bytes"
        ? byteProduct
        : on(
            o.product === "helper",
            `__device__ __forceinline__ void accumulate(int& sum, int p, int q) {
sum = __dp4a(p, q, sum);
}
`,
          );
    const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
    const steps = `K / ${o.load === "int4" ? 16 : 8}`;
    const source = `${size.header}${helper}
extern "C" __global__ void dot_rows(const signed char*${q} a, const signed char*${q} b, int*${q} c${size.params}) {
const int row = (blockIdx.${rowAxis} * blockDim.${rowAxis} + threadIdx.${rowAxis}) * ${o.outputs};
const int col = blockIdx.${colAxis} * blockDim.${colAxis} + threadIdx.${colAxis};
const ${o.load}* bp = reinterpret_cast<const ${o.load}*>(b + (size_t)col * K);
${repeat(o.outputs, (r) => `const ${o.load}* ap${r} = reinterpret_cast<const ${o.load}*>(a + (size_t)(row + ${r}) * K);\nint sum${r} = 0;`)}
${on(o.unroll, "#pragma unroll 4\n")}for (int i = 0; i < ${steps}; ++i) {
const ${o.load} q = ${get("bp[i]")};
${repeat(o.outputs, (r) => `const ${o.load} p${r} = ${get(`ap${r}[i]`)};`)}
${repeat(o.outputs, (r) => threadProducts(o, r))}
}
${repeat(o.outputs, (r) => `c[(size_t)(row + ${r}) * N + col] = sum${r};`)}
}
`;
    const rows = m / o.outputs;
    const grid: [number, number] = swap ? [rows / bx, n / by] : [n / bx, rows / by];
    const draft = { source, launches: [launch("dot_rows", grid, [bx, by], ["a", "b", "c", ...size.args])] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});

const tileOptions = {
  layout: ["rows", "turned B", "turned both"],
  element: ["words", "bytes", "char4"],
  pad: [true, false],
  buffers: ["one", "two", "registers"],
  outputs: [1, 2, 4],
  unroll: [true, false],
  size: ["constexpr", "args", "define"],
  edge: [16, 32],
} as const;

type TileChoice = Chosen<typeof tileOptions>;

function tilePlaces(o: TileChoice): { a: (r: string, w: string) => string; b: (r: string, w: string) => string } {
  const slot = on(o.buffers === "two", "[now]");
  const normal = (name: string) => (r: string, w: string) => `${name}${slot}[${r}][${w}]`;
  const turned = (name: string) => (r: string, w: string) => `${name}${slot}[${w}][${r}]`;
  return {
    a: o.layout === "turned both" ? turned("ta") : normal("ta"),
    b: o.layout === "rows" ? normal("tb") : turned("tb"),
  };
}

function tileDot(o: TileChoice, p: string, q: string, sum: string): string {
  if (o.element === "bytes") return `${sum} += dot4(${p}, ${q});`;
  return `${sum} = __dp4a(${p}, ${q}, ${sum});`;
}

function tileSteps(o: TileChoice, type: string): string {
  const at = tilePlaces(o);
  const rows = Array.from({ length: o.outputs }, (_, r) => `ty + ${r} * (EDGE / ${o.outputs})`);
  const from = (matrix: string, tile: string, r: string): string =>
    `reinterpret_cast<const ${type}*>(${matrix})[(size_t)(${tile} * EDGE + ${r}) * (K / 4) + START + tx]`;
  const fill = (start: string): string =>
    rows
      .map(
        (r) => `${at.a(r, "tx")} = ${from("a", "blockIdx.y", r)};
${at.b(r, "tx")} = ${from("b", "blockIdx.x", r)};`,
      )
      .join("\n")
      .replaceAll("START", start);
  const use = `${on(o.unroll, "#pragma unroll\n")}for (int w = 0; w < EDGE; ++w) {
const ${type} q = ${at.b("tx", "w")};
${rows.map((r, i) => tileDot(o, at.a(r, "w"), "q", `sum${i}`)).join("\n")}
}`;
  if (o.buffers === "one")
    return `for (int start = 0; start < K / 4; start += EDGE) {
${fill("start")}
__syncthreads();
${use}
__syncthreads();
}`;
  if (o.buffers === "two")
    return `int now = 0;
${fill("0")}
for (int start = EDGE; start <= K / 4; start += EDGE) {
__syncthreads();
if (start < K / 4) {
now ^= 1;
${fill("start")}
now ^= 1;
}
${use}
now ^= 1;
}`;
  const hold = (start: string, declare: string): string =>
    rows
      .map(
        (r, i) => `${declare}ha${i} = ${from("a", "blockIdx.y", r)};
${declare}hb${i} = ${from("b", "blockIdx.x", r)};`,
      )
      .join("\n")
      .replaceAll("START", start);
  return `${hold("0", `${type} `)}
for (int start = EDGE; start <= K / 4; start += EDGE) {
${rows.map((r, i) => `${at.a(r, "tx")} = ha${i};\n${at.b(r, "tx")} = hb${i};`).join("\n")}
__syncthreads();
if (start < K / 4) {
${hold("start", "")}
}
${use}
__syncthreads();
}`;
}

/** Square tiles of four-byte words in shared memory. */
export const wordTile = template({
  id: "word-tile",
  from: null,
  idea: "Fill the shared tiles with words of four bytes and multiply them four at a time",
  options: tileOptions,
  count: 25,
  write(o, s) {
    const { m, n } = extents(s);
    const size = sizing(o.size, s);
    const type = o.element === "char4" ? "char4" : "int";
    const pitch = `EDGE${on(o.pad, " + 1")}`;
    const double = on(o.buffers === "two", "[2]");
    const helper = `__device__ __forceinline__ int dot4(int p, int q) {
int sum = (p << 24 >> 24) * (q << 24 >> 24);
sum += (p << 16 >> 24) * (q << 16 >> 24);
sum += (p << 8 >> 24) * (q << 8 >> 24);
return sum + (p >> 24) * (q >> 24);
}

`;
    const source = `#define EDGE ${o.edge}
${size.header}
${on(o.element === "bytes", helper)}extern "C" __global__ void imatmul(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c${size.params}) {
__shared__ ${type} ta${double}[EDGE][${pitch}];
__shared__ ${type} tb${double}[EDGE][${pitch}];
const int tx = threadIdx.x;
const int ty = threadIdx.y;
${repeat(o.outputs, (r) => `int sum${r} = 0;`)}
${tileSteps(o, type)}
const int col = blockIdx.x * EDGE + tx;
${repeat(o.outputs, (r) => `c[(size_t)(blockIdx.y * EDGE + ty + ${r} * (EDGE / ${o.outputs})) * N + col] = sum${r};`)}
}
`;
    const draft = {
      source,
      launches: [
        launch("imatmul", [n / o.edge, m / o.edge], [o.edge, o.edge / o.outputs], ["a", "b", "c", ...size.args]),
      ],
    };
    return styled(draft, { names: "snake", indent: 4 });
  },
});
