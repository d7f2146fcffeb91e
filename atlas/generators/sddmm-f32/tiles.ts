import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addProduct, csr, foldParts, parameters, spreadOver, sumOverGroup } from "./parts.ts";

const stageCopy = (how: string, from: string): string =>
  how === "async"
    ? `for (int i = threadIdx.x; i < STAGED * 16; i += blockDim.x) __pipeline_memcpy_async(&stage[i], ${from} + i, 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);`
    : how === "unrolled"
      ? `#pragma unroll 4
    for (int i = threadIdx.x; i < STAGED * 16; i += blockDim.x) stage[i] = ${from}[i];`
      : `for (int i = threadIdx.x; i < STAGED * 16; i += blockDim.x) stage[i] = ${from}[i];`;

const pipelineHeader = (copy: string): string => on(copy === "async", "#include <cuda_pipeline.h>\n\n");

/** Neighbouring rows share most of their near columns: those rows of b are staged, the far ones read as they come. */
export const windows = template({
  id: "windows",
  from: "row-warps",
  count: 22,
  idea: "stage the rows of b around a block's own rows in shared memory, for the columns that lie near",
  options: {
    pick: ["branch", "pointer", "split"],
    lanes: [16, 8],
    fold: ["groups", "fold"],
    copy: ["plain", "async", "unrolled"],
    chained: [true, false],
    restrict: [true, false],
    staged: [512, 256, 384, 640, 128],
    height: [64, 32, 128],
    block: [512, 256],
  },
  valid: (o) => !(o.pick === "split" && o.fold === "fold"),
  write(o, { m = 0, n = 0 }) {
    const { count } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const warps = o.block / 32;
    const near = (target: string): string =>
      o.pick === "pointer"
        ? `const float4* y = place < STAGED ? stage + place * 16 + l : right + col * 16 + l;
        ${repeat(count, (i) => `{\nconst float4 v = y[${i * o.lanes}];\n${addProduct("float4", target, `x${i}`, "v", o.chained)}\n}`)}`
        : repeat(
            count,
            (i) => `{
          const float4 v = place < STAGED ? stage[place * 16 + l + ${i * o.lanes}] : right[col * 16 + l + ${i * o.lanes}];
          ${addProduct("float4", target, `x${i}`, "v", o.chained)}
        }`,
          );
    const split = `if (place < STAGED) {
          ${repeat(count, (i) => `{\nconst float4 v = stage[place * 16 + l + ${i * o.lanes}];\n${addProduct("float4", "sum", `x${i}`, "v", o.chained)}\n}`)}
        } else {
          ${repeat(count, (i) => `{\nconst float4 v = right[col * 16 + l + ${i * o.lanes}];\n${addProduct("float4", "sum", `x${i}`, "v", o.chained)}\n}`)}
        }`;
    const groups = `for (int j = row_ptr[row]; j < end; j += ${per}) {
        const int e = min(j + g, end - 1);
        const int col = cols[e];
        const unsigned place = col - base;
        float sum = 0.0f;
        ${o.pick === "split" ? split : near("sum")}
        ${sumOverGroup("xor", o.lanes)}
        if (l == 0) out[e] = scale[e] * sum;
      }`;
    const folded = `for (int j = row_ptr[row]; j < end; j += 32) {
        const int mine = j + lane;
        const int c = cols[min(mine, end - 1)];
        float p[${o.lanes}];
        #pragma unroll
        for (int i = 0; i < ${o.lanes}; ++i) {
          const int col = __shfl_sync(0xffffffffu, c, g * ${o.lanes} + i);
          const unsigned place = col - base;
          float s = 0.0f;
          ${near("s")}
          p[i] = s;
        }
        ${foldParts("fold", o.lanes)}
        if (mine < end) out[mine] = scale[mine] * total;
      }`;
    const source = `${pipelineHeader(o.copy)}#define STAGED ${o.staged}
#define HEIGHT ${o.height}

extern "C" __global__ void window_products(${parameters(csr, o.restrict)}) {
  extern __shared__ float4 stage[];
  const int lane = threadIdx.x % 32, l = lane % ${o.lanes}, g = lane / ${o.lanes};
  const float4* left = reinterpret_cast<const float4*>(a);
  const float4* right = reinterpret_cast<const float4*>(b);
  const int first = blockIdx.x * HEIGHT;
  const int base = min(max(first + HEIGHT / 2 - STAGED / 2, 0), ${n} - STAGED);
  ${stageCopy(o.copy, "(right + base * 16)")}
  __syncthreads();
  for (int row = first + threadIdx.x / 32; row < first + HEIGHT; row += ${warps}) {
    ${repeat(count, (i) => `const float4 x${i} = left[row * 16 + l + ${i * o.lanes}];`)}
    const int end = row_ptr[row + 1];
    ${o.fold === "fold" ? folded : groups}
  }
}
`;
    const launches = [launch("window_products", m / o.height, o.block, csr, o.staged * 256)];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const lowerBound = `__device__ int first_at_least(const int* cols, int low, int high, int column) {
  while (low < high) {
    const int middle = (low + high) / 2;
    if (cols[middle] < column) low = middle + 1;
    else high = middle;
  }
  return low;
}
`;

/** Every column of b passes through shared memory; each row's next entry is remembered from tile to tile. */
export const columnTiles = template({
  id: "column-tiles",
  from: "windows",
  count: 22,
  idea: "walk over b in tiles of shared memory and take from every row the entries that fall into the tile",
  options: {
    lanes: [16, 8],
    copy: ["plain", "async", "unrolled"],
    left: ["eager", "lazy"],
    next: ["shared", "registers"],
    sum: ["xor", "loop"],
    chained: [true, false],
    restrict: [true, false],
    staged: [512, 256, 128],
    height: [64, 128],
    parts: [8, 4, 16],
    block: [512, 256],
  },
  write(o, { m = 0, n = 0 }) {
    const { count } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const warps = o.block / 32;
    const turns = o.height / warps;
    const shared = o.next === "shared";
    const load = repeat(count, (i) => `x${i} = left[row * 16 + l + ${i * o.lanes}];`);
    const declare = repeat(count, (i) => `float4 x${i};`);
    const dot = repeat(
      count,
      (i) => `{
          const float4 v = stage[col * 16 + l + ${i * o.lanes}];
          ${addProduct("float4", "sum", `x${i}`, "v", o.chained)}
        }`,
    );
    const next = shared ? "next[r]" : "next[t]";
    const begin = shared
      ? `if (threadIdx.x < HEIGHT) next[threadIdx.x] = first_at_least(cols, row_ptr[first + threadIdx.x], row_ptr[first + threadIdx.x + 1], blockIdx.y * SPAN);`
      : `int next[${turns}];
  #pragma unroll
  for (int t = 0; t < ${turns}; ++t) {
    const int row = first + warp + t * ${warps};
    next[t] = first_at_least(cols, row_ptr[row], row_ptr[row + 1], blockIdx.y * SPAN);
  }`;
    const source = `${pipelineHeader(o.copy)}#define STAGED ${o.staged}
#define HEIGHT ${o.height}
#define SPAN ${n / o.parts}

${lowerBound}
extern "C" __global__ void tile_products(${parameters(csr, o.restrict)}) {
  extern __shared__ float4 stage[];
  ${on(shared, "__shared__ int next[HEIGHT];")}
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int l = lane % ${o.lanes}, g = lane / ${o.lanes};
  const float4* left = reinterpret_cast<const float4*>(a);
  const float4* right = reinterpret_cast<const float4*>(b);
  const int first = blockIdx.x * HEIGHT;
  ${begin}
  for (int tile = blockIdx.y * SPAN; tile < (blockIdx.y + 1) * SPAN; tile += STAGED) {
    __syncthreads();
    ${stageCopy(o.copy, "(right + tile * 16)")}
    __syncthreads();
    #pragma unroll ${shared ? "1" : ""}
    for (int t = 0; t < ${turns}; ++t) {
      const int r = warp + t * ${warps}, row = first + r;
      int j = ${next};
      const int end = row_ptr[row + 1];
      ${declare}
      ${on(o.left === "eager", load)}
      ${on(o.left === "lazy", "bool loaded = false;")}
      while (j < end) {
        const int c = j + lane < end ? cols[j + lane] : ${n};
        const int inside = __popc(__ballot_sync(0xffffffffu, c < tile + STAGED));
        if (inside == 0) break;
        ${on(o.left === "lazy", `if (!loaded) {\n${load}\nloaded = true;\n}`)}
        for (int i = 0; i < inside; i += ${per}) {
          const int which = min(i + g, inside - 1);
          const int col = __shfl_sync(0xffffffffu, c, which) - tile;
          float sum = 0.0f;
          ${dot}
          ${sumOverGroup(o.sum, o.lanes)}
          if (l == 0) out[j + which] = sum * scale[j + which];
        }
        j += inside;
        if (inside < 32) break;
      }
      ${shared ? "if (lane == 0) next[r] = j;" : "next[t] = j;"}
    }
  }
}
`;
    const grid = [m / o.height, o.parts] as const;
    return styled(
      { source, launches: [launch("tile_products", grid, o.block, csr, o.staged * 256)] },
      { names: "snake", indent: 2 },
    );
  },
});

function denseProduct(inner: string): string {
  if (inner === "quads")
    return `#pragma unroll 4
    for (int k = 0; k < 64; k += 4) {
      float4 u[4], v[NJ];
      #pragma unroll
      for (int i = 0; i < 4; ++i) u[i] = *reinterpret_cast<const float4*>(&left[(ty + 16 * i) * 68 + k]);
      #pragma unroll
      for (int j = 0; j < NJ; ++j) v[j] = *reinterpret_cast<const float4*>(&right[(tx + 16 * j) * 68 + k]);
      #pragma unroll
      for (int i = 0; i < 4; ++i) {
        #pragma unroll
        for (int j = 0; j < NJ; ++j) {
          acc[i][j] += u[i].x * v[j].x + u[i].y * v[j].y + u[i].z * v[j].z + u[i].w * v[j].w;
        }
      }
    }`;
  return `#pragma unroll 8
    for (int k = 0; k < 64; ++k) {
      float u[4], v[NJ];
      #pragma unroll
      for (int i = 0; i < 4; ++i) u[i] = left[(ty + 16 * i) * PITCH + k];
      #pragma unroll
      for (int j = 0; j < NJ; ++j) v[j] = right[(tx + 16 * j) * PITCH + k];
      #pragma unroll
      for (int i = 0; i < 4; ++i) {
        #pragma unroll
        for (int j = 0; j < NJ; ++j) acc[i][j] = fmaf(u[i], v[j], acc[i][j]);
      }
    }`;
}

/** The whole product, tile by tile, of which only the pattern's entries are kept. */
export const denseTiles = template({
  id: "dense-tiles",
  from: "column-tiles",
  count: 20,
  idea: "multiply whole tiles of the dense product and pick the pattern's entries out of them",
  options: {
    inner: ["quads", "singles"],
    copy: ["singles", "quads"],
    search: ["early", "late"],
    separate: [false, true],
    bounded: [false, true],
    restrict: [true, false],
    nj: [4, 8],
    tiles: [4, 1, 16],
  },
  valid: (o) => (o.copy === "singles" || o.inner === "quads") && (o.search === "early" || o.tiles === 1),
  write(o, { m = 0, n = 0 }) {
    const width = 16 * o.nj;
    const pitch = o.inner === "quads" ? 68 : 65;
    const copy = (target: string, from: string, rows: string): string =>
      o.copy === "quads"
        ? `for (int i = threadIdx.x; i < ${rows} * 16; i += 256)
      *reinterpret_cast<float4*>(&${target}[i / 16 * PITCH + i % 16 * 4]) = reinterpret_cast<const float4*>(${from})[i];`
        : `for (int i = threadIdx.x; i < ${rows} * 64; i += 256) ${target}[i / 64 * PITCH + i % 64] = (${from})[i];`;
    const search = `if (threadIdx.x < 64) {
    const int row = first + threadIdx.x;
    next[threadIdx.x] = first_at_least(cols, row_ptr[row], row_ptr[row + 1], blockIdx.x * TILES * WIDTH);
  }`;
    const product = o.separate ? "right + WIDTH * PITCH" : "right";
    const source = `#define WIDTH ${width}
#define NJ ${o.nj}
#define PITCH ${pitch}
#define TILES ${o.tiles}

${lowerBound}
extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(256, 2) ")}dense_then_pick(${parameters(csr, o.restrict)}) {
  extern __shared__ __align__(16) float memory[];
  __shared__ int next[64];
  float* left = memory;
  float* right = memory + 64 * PITCH;
  float* product = ${product};
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int first = blockIdx.y * 64;
  ${copy("left", "a + first * 64", "64")}
  ${on(o.search === "early", search)}
  for (int t = 0; t < TILES; ++t) {
    const int tile = (blockIdx.x * TILES + t) * WIDTH;
    ${copy("right", "b + tile * 64", "WIDTH")}
    __syncthreads();
    float acc[4][NJ] = {};
    ${denseProduct(o.inner)}
    __syncthreads();
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
      #pragma unroll
      for (int j = 0; j < NJ; ++j) product[(ty + 16 * i) * (WIDTH + 1) + tx + 16 * j] = acc[i][j];
    }
    ${on(o.search === "late", search)}
    __syncthreads();
    for (int r = warp; r < 64; r += 8) {
      const int end = row_ptr[first + r + 1];
      int e = next[r];
      while (true) {
        const int col = e + lane < end ? cols[e + lane] : ${n};
        if (col < tile + WIDTH) out[e + lane] = scale[e + lane] * product[r * (WIDTH + 1) + col - tile];
        const int inside = __popc(__ballot_sync(0xffffffffu, col < tile + WIDTH));
        e += inside;
        if (inside < 32) break;
      }
      __syncwarp();
      if (lane == 0) next[r] = e;
    }
    __syncthreads();
  }
}
`;
    const floats =
      64 * pitch + width * pitch + (o.separate ? 64 * (width + 1) : Math.max(0, 64 * (width + 1) - width * pitch));
    const grid = [n / (width * o.tiles), m / 64] as const;
    return styled(
      { source, launches: [launch("dense_then_pick", grid, 256, csr, 4 * floats)] },
      { names: "camel", indent: 2 },
    );
  },
});
