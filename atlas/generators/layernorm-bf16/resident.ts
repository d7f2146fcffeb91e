import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockSum, packing, type BlockReduce } from "./parts.ts";

const multiprocessors = 132;
const arguments4 = ["x", "gamma", "beta", "y"] as const;
const signature =
  "const uint4* __restrict__ x, const uint4* __restrict__ gamma, const uint4* __restrict__ beta, uint4* __restrict__ y";

const eachPack = (line: string): string => `#pragma unroll\nfor (int k = 0; k < PACKS; ++k) {\n${line}\n}`;
const eachPart = (line: string): string => `#pragma unroll\nfor (int p = 0; p < 8; ++p) {\n${line}\n}`;

/** Sums over values that `fetch` (a statement) puts into `f[8]` for each pack `k`. */
function heldStatistics(method: "two-pass" | "moments" | "moments-joint", fetch: string, name: string): string {
  const over = (line: string): string => eachPack(`${fetch}\n${eachPart(line)}`);
  if (method === "two-pass") {
    return `
      float sum = 0.0f;
      ${over(`sum += ${name};`)}
      float mean = block_sum<BLOCK>(sum) * (1.0f / COLS);
      float squares = 0.0f;
      ${over(`float d = ${name} - mean;\nsquares += d * d;`)}
      float scale = rsqrtf(block_sum<BLOCK>(squares) * (1.0f / COLS) + 1e-5f);`;
  }
  if (method === "moments") {
    return `
      float sum = 0.0f, squares = 0.0f;
      ${over(`sum += ${name};\nsquares += ${name} * ${name};`)}
      float mean = block_sum<BLOCK>(sum) * (1.0f / COLS);
      float scale = rsqrtf(block_sum<BLOCK>(squares) * (1.0f / COLS) - mean * mean + 1e-5f);`;
  }
  return `
    float2 both = make_float2(0.0f, 0.0f);
    ${over(`both.x += ${name};\nboth.y += ${name} * ${name};`)}
    both = block_sum<BLOCK>(both);
    float mean = both.x * (1.0f / COLS);
    float scale = rsqrtf(both.y * (1.0f / COLS) - mean * mean + 1e-5f);`;
}

const sumFor = (method: string, reduce: BlockReduce): string =>
  blockSum(reduce, method === "moments-joint" ? "float2" : "float");

/** The row is held in the block's registers. */
export const registerRow: Template = template({
  id: "register-row",
  from: "block-per-row",
  idea: "Read each row once into registers, eight values per load.",
  options: {
    block: [256, 512, 128],
    method: ["two-pass", "moments-joint", "moments"],
    reduce: ["every-warp", "first-warp", "tree"],
    unpacked: [true, false],
    bits: ["convert", "shift"],
    arithmetic: ["float", "bf16x2"],
    affineLoad: ["late", "early"],
    access: ["plain", "streaming", "ldg"],
    bounds: [false, true],
  },
  count: 9,
  write: (
    { block, method, reduce, unpacked, bits, arithmetic, affineLoad, access, bounds },
    { rows = 0, cols = 0 },
  ) => {
    const at = "threadIdx.x + k * BLOCK";
    const read = { plain: `in[${at}]`, streaming: `__ldcs(in + ${at})`, ldg: `__ldg(in + ${at})` }[access];
    const put = (value: string): string =>
      access === "streaming" ? `__stcs(out + ${at}, ${value});` : `out[${at}] = ${value};`;
    const early = affineLoad === "early";
    const held = unpacked ? "float v[PACKS][8];" : "uint4 raw[PACKS];";
    const fetch = unpacked ? `unpack(${read}, v[k]);` : `raw[k] = ${read};`;
    const source = `
      #include <cuda_bf16.h>

      constexpr int BLOCK = ${block};
      constexpr int COLS = ${cols};
      constexpr int PACKS = COLS / (8 * BLOCK);

      ${packing(bits)}
      ${sumFor(method, reduce)}
      ${on(arithmetic === "bf16x2", pairAffine)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}register_norm(${signature}) {
        const uint4* in = x + (size_t)blockIdx.x * (COLS / 8);
        uint4* out = y + (size_t)blockIdx.x * (COLS / 8);
        ${held}
        ${on(early, "uint4 g_raw[PACKS], b_raw[PACKS];")}
        ${eachPack(fetch)}
        ${on(early, eachPack(`g_raw[k] = gamma[${at}];\nb_raw[k] = beta[${at}];`))}
        ${heldStatistics(method, on(!unpacked, "float f[8];\nunpack(raw[k], f);"), unpacked ? "v[k][p]" : "f[p]")}
        ${eachPack(registerAffine(unpacked, arithmetic, early ? "g_raw[k]" : `gamma[${at}]`, early ? "b_raw[k]" : `beta[${at}]`, put))}
      }
    `;
    return styled(
      { source, launches: [launch("register_norm", rows, block, arguments4)] },
      { names: "snake", indent: 4 },
    );
  },
});

const pairAffine = `
  // normal * gamma + beta, two bfloat16 at a time.
  __device__ __forceinline__ uint4 affine_pairs(const float (&normal)[8], uint4 g_packed, uint4 b_packed) {
    const __nv_bfloat162* g = reinterpret_cast<const __nv_bfloat162*>(&g_packed);
    const __nv_bfloat162* b = reinterpret_cast<const __nv_bfloat162*>(&b_packed);
    uint4 result;
    __nv_bfloat162* r = reinterpret_cast<__nv_bfloat162*>(&result);
    #pragma unroll
    for (int p = 0; p < 4; ++p) {
      r[p] = __hfma2(__floats2bfloat162_rn(normal[2 * p], normal[2 * p + 1]), g[p], b[p]);
    }
    return result;
  }
`;

function registerAffine(
  unpacked: boolean,
  arithmetic: "float" | "bf16x2",
  g: string,
  b: string,
  put: (value: string) => string,
): string {
  const from = unpacked ? "v[k]" : "f";
  const open = on(!unpacked, "float f[8];\nunpack(raw[k], f);");
  if (arithmetic === "bf16x2") {
    return `${open}\n${eachPart(`${from}[p] = (${from}[p] - mean) * scale;`)}\n${put(`affine_pairs(${from}, ${g}, ${b})`)}`;
  }
  return `
    ${open}
    float g[8], b[8];
    unpack(${g}, g);
    unpack(${b}, b);
    ${eachPart(`${from}[p] = (${from}[p] - mean) * scale * g[p] + b[p];`)}
    ${put(`pack(${from})`)}`;
}

/** Resident blocks that keep gamma and beta in registers and fetch the next row early. */
export const persistent: Template = template({
  id: "persistent",
  from: "register-row",
  idea: "Keep blocks resident with gamma and beta in registers, and load the next row before finishing the current one.",
  options: {
    block: [512, 256],
    perSm: [2, 4, 3, 1],
    method: ["moments-joint", "two-pass", "moments"],
    reduce: ["every-warp", "first-warp"],
    prefetch: [true, false],
    affine: ["packed", "floats", "reload"],
    store: ["plain", "streaming"],
    walk: ["interleaved", "slab"],
    bounds: [true, false],
  },
  valid: ({ block, perSm }) => block * perSm <= 2048,
  count: 32,
  write: ({ block, perSm, method, reduce, prefetch, affine, store, walk, bounds }, { rows = 0, cols = 0 }) => {
    const at = "threadIdx.x + k * BLOCK";
    const put =
      store === "streaming"
        ? `__stcs(&y[(size_t)row * LENGTH + ${at}], pack(f));`
        : `y[(size_t)row * LENGTH + ${at}] = pack(f);`;
    const load = (into: string, row: string): string => eachPack(`${into}[k] = x[(size_t)(${row}) * LENGTH + ${at}];`);
    const keep = {
      packed: `uint4 gammas[PACKS], betas[PACKS];\n${eachPack(`gammas[k] = gamma[${at}];\nbetas[k] = beta[${at}];`)}`,
      floats: `float g[PACKS][8], b[PACKS][8];\n${eachPack(`unpack(gamma[${at}], g[k]);\nunpack(beta[${at}], b[k]);`)}`,
      reload: "",
    }[affine];
    const weights = {
      packed: "float g[8], b[8];\nunpack(gammas[k], g);\nunpack(betas[k], b);",
      floats: "",
      reload: `float g[8], b[8];\nunpack(gamma[${at}], g);\nunpack(beta[${at}], b);`,
    }[affine];
    const weight = affine === "floats" ? ["g[k][p]", "b[k][p]"] : ["g[p]", "b[p]"];
    const work = `
      ${heldStatistics(method, "float f[8];\nunpack(now[k], f);", "f[p]")}
      ${eachPack(`float f[8];\nunpack(now[k], f);\n${weights}\n${eachPart(`f[p] = (f[p] - mean) * scale * ${weight[0]} + ${weight[1]};`)}\n${put}`)}`;
    const loop = prefetch
      ? `
        uint4 next[PACKS];
        ${load("next", "first")}
        for (int row = first; row < end; row += step) {
          uint4 now[PACKS];
          ${eachPack("now[k] = next[k];")}
          if (row + step < end) {
            ${load("next", "row + step")}
          }
          ${work}
        }`
      : `for (int row = first; row < end; row += step) {\nuint4 now[PACKS];\n${load("now", "row")}\n${work}\n}`;
    const source = `
      #include <cuda_bf16.h>

      #define BLOCK ${block}
      #define COLS ${cols}
      #define LENGTH (COLS / 8)
      #define PACKS (LENGTH / BLOCK)

      ${packing("shift")}
      ${sumFor(method, reduce)}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(BLOCK, ${perSm}) `)}persistent_norm(${signature}, int rows) {
        ${walk === "slab" ? "const int first = (int)((long long)rows * blockIdx.x / gridDim.x);\nconst int end = (int)((long long)rows * (blockIdx.x + 1) / gridDim.x);\nconst int step = 1;" : "const int first = blockIdx.x;\nconst int end = rows;\nconst int step = gridDim.x;"}
        ${keep}
        ${loop}
      }
    `;
    const main = launch("persistent_norm", multiprocessors * perSm, block, [...arguments4, { i32: rows }]);
    return styled({ source, launches: [main] }, { names: "camel", indent: 2 });
  },
});

/** The row is held in shared memory between the passes. */
export const sharedRow: Template = template({
  id: "shared-row",
  from: "block-per-row",
  idea: "Keep the row in shared memory so that global memory is read once.",
  options: {
    cells: ["float", "packed"],
    copy: ["registers", "async"],
    method: ["two-pass", "moments"],
    reduce: ["tree", "first-warp", "every-warp"],
    weights: ["global", "shared"],
    layout: ["linear", "transposed"],
    block: [256, 128, 512],
  },
  valid: ({ cells, copy, layout }) => (cells === "packed" ? layout === "linear" : copy === "registers"),
  count: 10,
  write: ({ cells, copy, method, reduce, weights, layout, block }, { rows = 0, cols = 0 }) => {
    const slot = layout === "linear" ? "8 * i + p" : "p * LENGTH + i";
    const loop = (line: string): string => `for (int i = threadIdx.x; i < LENGTH; i += BLOCK) {\n${line}\n}`;
    const values = (line: (v: string) => string): string =>
      cells === "float"
        ? loop(eachPart(line(`row[${slot}]`)))
        : loop(`float f[8];\nunpack(row[i], f);\n${eachPart(line("f[p]"))}`);
    const fill =
      cells === "float"
        ? loop(`float f[8];\nunpack(in[i], f);\n${eachPart(`row[${slot}] = f[p];`)}`)
        : copy === "async"
          ? `${loop("__pipeline_memcpy_async(&row[i], in + i, sizeof(uint4));")}\n__pipeline_commit();\n__pipeline_wait_prior(0);`
          : loop("row[i] = in[i];");
    const find =
      method === "two-pass"
        ? `
        float sum = 0.0f;
        ${values((v) => `sum += ${v};`)}
        float mean = block_sum<BLOCK>(sum) / COLS;
        float squares = 0.0f;
        ${values((v) => `float d = ${v} - mean;\nsquares += d * d;`)}
        float scale = rsqrtf(block_sum<BLOCK>(squares) / COLS + 1e-5f);`
        : `
        float sum = 0.0f, squares = 0.0f;
        ${values((v) => `float value = ${v};\nsum += value;\nsquares += value * value;`)}
        float mean = block_sum<BLOCK>(sum) / COLS;
        float scale = rsqrtf(block_sum<BLOCK>(squares) / COLS - mean * mean + 1e-5f);`;
    const from = weights === "shared" ? ["gammas[i]", "betas[i]"] : ["gamma[i]", "beta[i]"];
    const write = `
      float f[8], g[8], b[8];
      ${cells === "float" ? eachPart(`f[p] = row[${slot}];`) : "unpack(row[i], f);"}
      unpack(${from[0]}, g);
      unpack(${from[1]}, b);
      ${eachPart("f[p] = (f[p] - mean) * scale * g[p] + b[p];")}
      out[i] = pack(f);`;
    const source = `
      #include <cuda_bf16.h>
      ${on(copy === "async", "#include <cuda_pipeline.h>")}

      constexpr int BLOCK = ${block};
      constexpr int COLS = ${cols};
      constexpr int LENGTH = COLS / 8;

      ${packing("convert")}
      ${blockSum(reduce)}
      extern "C" __global__ void shared_norm(${signature}) {
        ${cells === "float" ? "__shared__ float row[COLS];" : "__shared__ uint4 row[LENGTH];"}
        ${on(weights === "shared", "__shared__ uint4 gammas[LENGTH];\n__shared__ uint4 betas[LENGTH];")}
        const uint4* in = x + (size_t)blockIdx.x * LENGTH;
        uint4* out = y + (size_t)blockIdx.x * LENGTH;
        ${fill}
        ${on(weights === "shared", loop("gammas[i] = gamma[i];\nbetas[i] = beta[i];"))}
        __syncthreads();
        ${find}
        ${loop(write)}
      }
    `;
    return styled(
      { source, launches: [launch("shared_norm", rows, block, arguments4)] },
      { names: "camel", indent: 4 },
    );
  },
});

/** Rows arrive in a ring of shared-memory buffers. */
export const ring: Template = template({
  id: "row-ring",
  from: "persistent",
  idea: "Fetch the coming rows asynchronously into a ring of shared-memory buffers.",
  options: {
    stages: [3, 2, 4, 6],
    unit: ["block", "warp"],
    block: [256, 128, 512],
    perSm: [4, 2, 1],
    method: ["moments", "two-pass"],
    hold: ["packed", "reread"],
    store: ["plain", "streaming"],
    weights: ["global", "shared"],
  },
  valid: ({ stages, unit, block, perSm, weights }) => {
    const rowsAtOnce = unit === "block" ? 1 : block / 32;
    const kilobytes = stages * rowsAtOnce * 8 + (weights === "shared" ? 16 : 0);
    return block * perSm <= 2048 && kilobytes * perSm <= 216 && (unit === "block" || block === 128);
  },
  count: 26,
  write: ({ stages, unit, block, perSm, method, hold, store, weights }, { rows = 0, cols = 0 }) => {
    const warps = unit === "warp";
    const workers = warps ? block / 32 : 1;
    const shared = weights === "shared";
    const sum = (v: string): string => (warps ? `warp_sum(${v})` : `block_sum<BLOCK>(${v})`);
    const fetch =
      hold === "packed" ? "float f[8];\nunpack(raw[k], f);" : "float f[8];\nunpack(buffer[me + k * TEAM], f);";
    const statistics = heldStatistics(method, fetch, "f[p]").replace(/block_sum<BLOCK>\((\w+)\)/g, (_, v: string) =>
      sum(v),
    );
    const at = "me + k * TEAM";
    const put = store === "streaming" ? `__stcs(out + ${at}, pack(f));` : `out[${at}] = pack(f);`;
    const source = `
      #include <cuda_bf16.h>
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define TEAM ${warps ? 32 : block}  // threads per row
      #define STAGES ${stages}
      #define COLS ${cols}
      #define LENGTH (COLS / 8)
      #define PACKS (LENGTH / TEAM)

      ${packing("convert")}
      ${blockSum("every-warp")}
      __device__ __forceinline__ void start_row(uint4* buffer, const uint4* in, int me, bool wanted) {
        if (wanted) {
          ${eachPack(`__pipeline_memcpy_async(buffer + ${at}, in + ${at}, sizeof(uint4));`)}
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ring_norm(${signature}, int rows) {
        extern __shared__ uint4 memory[];
        const int me = threadIdx.x % TEAM;
        const int team = threadIdx.x / TEAM;
        const int first = blockIdx.x * (BLOCK / TEAM) + team;
        const int step = gridDim.x * (BLOCK / TEAM);
        uint4* ring = memory + team * (STAGES * LENGTH);
        ${on(shared, sharedWeights(workers))}
        for (int s = 0; s < STAGES - 1; ++s) {
          int row = first + s * step;
          start_row(ring + s * LENGTH, x + (size_t)row * LENGTH, me, row < rows);
        }
        int stage = 0;
        for (int row = first; row < rows; row += step) {
          int ahead = row + (STAGES - 1) * step;
          start_row(ring + (stage + STAGES - 1) % STAGES * LENGTH, x + (size_t)ahead * LENGTH, me, ahead < rows);
          __pipeline_wait_prior(STAGES - 1);
          const uint4* buffer = ring + stage * LENGTH;
          uint4* out = y + (size_t)row * LENGTH;
          ${on(hold === "packed", `uint4 raw[PACKS];\n${eachPack(`raw[k] = buffer[${at}];`)}`)}
          ${statistics}
          ${eachPack(`
            ${fetch}
            float g[8], b[8];
            unpack(${shared ? "gammas" : "gamma"}[${at}], g);
            unpack(${shared ? "betas" : "beta"}[${at}], b);
            ${eachPart("f[p] = (f[p] - mean) * scale * g[p] + b[p];")}
            ${put}`)}
          stage = (stage + 1) % STAGES;
        }
      }
    `;
    const bytes = stages * workers * cols * 2 + (shared ? 4 * cols : 0);
    const main = launch("ring_norm", multiprocessors * perSm, block, [...arguments4, { i32: rows }], bytes);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

function sharedWeights(workers: number): string {
  return `
    uint4* gammas = memory + ${workers} * (STAGES * LENGTH);
    uint4* betas = gammas + LENGTH;
    for (int i = threadIdx.x; i < LENGTH; i += BLOCK) {
      gammas[i] = gamma[i];
      betas[i] = beta[i];
    }
    __syncthreads();`;
}
