import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { pull, storeAcc, sumParts, unrolled, weights } from "./parts.ts";

/** Bodies travel through the warp by shuffles. */
export const shuffled: Template = template({
  id: "shuffled-bodies",
  from: "register-blocks",
  idea: "Let each lane hold one of the other bodies and pass them round the warp with shuffles instead of shared memory.",
  options: {
    pass: ["broadcast", "ring", "xor"],
    bodies: [2, 4, 1, 8],
    weight: weights,
    fma: [false, true],
    ahead: [false, true],
    unroll: ["8", "none", "4", "32"],
    split: [8, 16, 4],
    finish: ["sum", "atomic"],
    block: [128, 64, 256],
  },
  valid: ({ bodies, block }) => bodies * block <= 1024,
  count: 26,
  write: ({ pass, bodies, weight, fma, ahead, unroll, split, finish, block }, { n = 0 }) => {
    const parts = ["x", "y", "z", "w"] as const;
    const from = { broadcast: "t", ring: "(lane + 1) & 31", xor: "t ^ lane" }[pass];
    const fetch =
      pass === "ring"
        ? parts.map((part) => `held.${part} = __shfl_sync(0xffffffffu, held.${part}, ${from});`).join("\n")
        : parts.map((part) => `float b${part} = __shfl_sync(0xffffffffu, held.${part}, ${from});`).join("\n");
    const step = repeat(bodies, (k) =>
      pull({
        weight,
        fma,
        other: (part) => (pass === "ring" ? `held.${part}` : `b${part}`),
        me: (part) => `me[${k}].${part}`,
        sum: (part) => `a[${k}].${part}`,
      }),
    );
    const atomic = finish === "atomic";
    const store = atomic
      ? ["x", "y", "z"].map((part, c) => `atomicAdd(out + 3 * (i + k * BLOCK) + ${c}, a[k].${part});`).join("\n")
      : storeAcc("(out + blockIdx.y * 3 * N)", "i + k * BLOCK", (part) => `a[k].${part}`);
    const source = `
      #define N ${n}
      #define BLOCK ${block}
      #define SPLIT ${split}
      #define EPS2 0.01f

      ${on(atomic, `extern "C" __global__ void zero(float* acc) {\nacc[blockIdx.x * 256 + threadIdx.x] = 0.0f;\n}\n`)}
      extern "C" __global__ void shuffled_gravity(const float4* __restrict__ bodies, float* __restrict__ out) {
        const int lane = threadIdx.x & 31;
        const int i = blockIdx.x * BLOCK * ${bodies} + threadIdx.x;
        float4 me[${bodies}];
        float3 a[${bodies}];
        #pragma unroll
        for (int k = 0; k < ${bodies}; ++k) {
          me[k] = bodies[i + k * BLOCK];
          a[k] = make_float3(0.0f, 0.0f, 0.0f);
        }
        const int end = (blockIdx.y + 1) * (N / SPLIT);
        ${on(ahead, "float4 next = bodies[blockIdx.y * (N / SPLIT) + lane];")}
        for (int j = blockIdx.y * (N / SPLIT) + lane; j < end; j += 32) {
          ${ahead ? "float4 held = next;\nif (j + 32 < end) next = bodies[j + 32];" : "float4 held = bodies[j];"}
          ${unrolled(unroll)}
          for (int t = 0; t < 32; ++t) {
            ${pass === "ring" ? `${step}\n${fetch}` : `${fetch}\n${step}`}
          }
        }
        #pragma unroll
        for (int k = 0; k < ${bodies}; ++k) {
          ${store}
        }
      }
      ${on(!atomic, sumParts("sum_splits", "SPLIT", "3 * N", "p * 3 * N + e", true))}
    `;
    const launches = [
      ...(atomic ? [launch("zero", (3 * n) / 256, 256, ["acc"])] : []),
      launch("shuffled_gravity", [n / block / bodies, split], block, ["bodies", atomic ? "acc" : "parts"]),
      ...(atomic ? [] : [launch("sum_splits", (3 * n) / 256, 256, ["parts", "acc"])]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Both bodies of a pair at once. */
export const pairs: Template = template({
  id: "pairs-once",
  from: "shared-tiles",
  idea: "Visit each pair of bodies once and add the pull to both, one in registers and one in shared memory.",
  options: {
    tiles: ["triangle", "cyclic"],
    weight: ["rsqrt", "divide", "cube", "reciprocal"],
    partner: ["rotate-add", "rotate-xor"],
    sums: ["arrays", "vectors"],
    unroll: ["none", "4", "8"],
    fma: [false, true],
    block: [128, 64, 256],
    flush: ["atomic", "skip-zero"],
  },
  count: 24,
  write: ({ tiles, weight, partner, sums, unroll, fma, block, flush }, { n = 0 }) => {
    const arrays = sums === "arrays";
    const cell = (part: string): string => (arrays ? `pull_${part}[j]` : `pulls[j].${part}`);
    const scale = {
      rsqrt: "float r = rsqrtf(d2);\nfloat w = r * r * r;",
      divide: "float w = 1.0f / (d2 * sqrtf(d2));",
      cube: "float w = rsqrtf(d2 * d2 * d2);",
      reciprocal: "float r = 1.0f / sqrtf(d2);\nfloat w = r * r * r;",
    }[weight];
    const add = (target: string, by: string, d: string, sign: string): string =>
      fma ? `${target} = fmaf(${sign === "-" ? `-${by}` : by}, ${d}, ${target});` : `${target} ${sign}= ${by} * ${d};`;
    const grid = n / block;
    const triangle = tiles === "triangle";
    // Cyclic: block row r meets rows r .. r + half; the last only once for an even number of rows.
    const choose = triangle
      ? `int left = blockIdx.x, right = blockIdx.y;
        if (right < left) return;`
      : `int left = blockIdx.x, right = (blockIdx.x + blockIdx.y) % TILES;
        if (2 * blockIdx.y == TILES && left >= TILES / 2) return;`;
    const send = (target: string, part: string, c: number): string => {
      const value = arrays ? `pull_${part}[threadIdx.x]` : `pulls[threadIdx.x].${part}`;
      return flush === "skip-zero"
        ? `if (${value} != 0.0f) atomicAdd(acc + 3 * ${target} + ${c}, ${value});`
        : `atomicAdd(acc + 3 * ${target} + ${c}, ${value});`;
    };
    const source = `
      constexpr int N = ${n};
      constexpr int BLOCK = ${block};
      constexpr int TILES = N / BLOCK;
      constexpr float EPS2 = 0.01f;

      extern "C" __global__ void clear_sums(float* acc) {
        acc[blockIdx.x * 256 + threadIdx.x] = 0.0f;
      }

      extern "C" __global__ void pair_tiles(const float4* __restrict__ bodies, float* __restrict__ acc) {
        __shared__ float4 tile[BLOCK];
        ${arrays ? "__shared__ float pull_x[BLOCK], pull_y[BLOCK], pull_z[BLOCK];" : "__shared__ float3 pulls[BLOCK];"}
        ${choose}
        int i = left * BLOCK + threadIdx.x;
        float4 me = bodies[i];
        tile[threadIdx.x] = bodies[right * BLOCK + threadIdx.x];
        ${arrays ? "pull_x[threadIdx.x] = pull_y[threadIdx.x] = pull_z[threadIdx.x] = 0.0f;" : "pulls[threadIdx.x] = make_float3(0.0f, 0.0f, 0.0f);"}
        __syncthreads();
        float ax = 0.0f, ay = 0.0f, az = 0.0f;
        bool both = left != right;
        ${unrolled(unroll)}
        for (int k = 0; k < BLOCK; ++k) {
          // No two threads meet the same partner in one step.
          int j = ${partner === "rotate-add" ? "(threadIdx.x + k) % BLOCK" : "threadIdx.x ^ k"};
          float4 b = tile[j];
          float dx = b.x - me.x, dy = b.y - me.y, dz = b.z - me.z;
          float d2 = ${fma ? "fmaf(dx, dx, fmaf(dy, dy, fmaf(dz, dz, EPS2)))" : "dx * dx + dy * dy + dz * dz + EPS2"};
          ${scale}
          float to_me = b.w * w;
          ${["x", "y", "z"].map((part) => add(`a${part}`, "to_me", `d${part}`, "+")).join("\n")}
          if (both) {
            float to_other = me.w * w;
            ${["x", "y", "z"].map((part) => add(cell(part), "to_other", `d${part}`, "-")).join("\n")}
          }
          __syncthreads();
        }
        ${["x", "y", "z"].map((part, c) => `atomicAdd(acc + 3 * i + ${c}, a${part});`).join("\n")}
        if (both) {
          int other = right * BLOCK + threadIdx.x;
          ${["x", "y", "z"].map((part, c) => send("other", part, c)).join("\n")}
        }
      }
    `;
    const launches = [
      launch("clear_sums", (3 * n) / 256, 256, ["acc"]),
      launch("pair_tiles", [grid, triangle ? grid : grid / 2 + 1], block, ["bodies", "acc"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Adds the weighted place of one body to the sums of those that the thread holds. */
function weighing(weight: "rsqrt" | "cube" | "divide" | "reciprocal", bodies: number): string {
  const weighs = {
    rsqrt: "float r = rsqrtf(d2);\nfloat s = m * r * r * r;",
    cube: "float s = m * rsqrtf(d2 * d2 * d2);",
    divide: "float s = m / (d2 * sqrtf(d2));",
    reciprocal: "float r = 1.0f / sqrtf(d2);\nfloat s = m * (r * r) * r;",
  }[weight];
  return repeat(
    bodies,
    (k) => `{
            float d2 = fmaf(me${k}.x, bx, fmaf(me${k}.y, by, fmaf(me${k}.z, bz, me${k}.w + bq)));
            ${weighs}
            a${k}.x = fmaf(s, bx, a${k}.x);
            a${k}.y = fmaf(s, by, a${k}.y);
            a${k}.z = fmaf(s, bz, a${k}.z);
            a${k}.w += s;
          }`,
  );
}

/** Sums of weighted places; the own place is taken off at the end. */
export const expanded: Template = template({
  id: "weighted-places",
  from: "register-blocks",
  idea: "Expand the square of the distance and add up weighted places, so that a pair needs no differences.",
  options: {
    prepare: ["launch", "in-tile"],
    bodies: [2, 4, 1],
    weight: ["rsqrt", "cube", "divide", "reciprocal"],
    layout: ["two-arrays", "one-array"],
    unroll: ["4", "none", "8", "2"],
    split: [8, 4, 16],
    finish: ["sum", "atomic"],
    block: [128, 64, 256],
  },
  valid: ({ bodies, block }) => bodies * block <= 1024,
  count: 24,
  write: ({ prepare, bodies, weight, layout, unroll, split, finish, block }, { n = 0 }) => {
    const two = layout === "two-arrays";
    const early = prepare === "launch";
    const mass = two ? "masses[j]" : "body.mass";
    const b = (part: string): string => (two ? `places[j].${part}` : `body.${part}`);
    const step = weighing(weight, bodies);
    const square = "v.x * v.x + v.y * v.y + v.z * v.z";
    const put = two
      ? "places[t] = make_float4(v.x, v.y, v.z, q);\nmasses[t] = v.w;"
      : "tile[t].x = v.x;\ntile[t].y = v.y;\ntile[t].z = v.z;\ntile[t].square = q;\ntile[t].mass = v.w;";
    const result = (k: number, part: string): string => `a${k}.${part} + 0.5f * me${k}.${part} * a${k}.w`;
    const atomic = finish === "atomic";
    // In scratch, the squares come before the partial sums.
    const after = on(early && !atomic, "N + ");
    const store = (k: number): string =>
      ["x", "y", "z"]
        .map((part, c) =>
          atomic
            ? `atomicAdd(out + 3 * (i + ${k} * BLOCK) + ${c}, ${result(k, part)});`
            : `out[${after}blockIdx.y * 3 * N + 3 * (i + ${k} * BLOCK) + ${c}] = ${result(k, part)};`,
        )
        .join("\n");
    const source = `
      #define N ${n}
      #define BLOCK ${block}
      #define SPLIT ${split}
      #define EPS2 0.01f

      ${on(!two, "struct Body {\nfloat x, y, z, square, mass;\n};")}
      ${on(
        early,
        `extern "C" __global__ void find_squares(const float4* bodies, float* squares) {
        int i = blockIdx.x * 256 + threadIdx.x;
        float4 v = bodies[i];
        squares[i] = ${square};
      }`,
      )}
      ${on(atomic, `extern "C" __global__ void clear_acc(float* acc) {\nacc[blockIdx.x * 256 + threadIdx.x] = 0.0f;\n}`)}

      extern "C" __global__ void weigh_places(const float4* __restrict__ bodies${on(early, ", const float* __restrict__ squares")}, float* __restrict__ out) {
        ${two ? "__shared__ float4 places[BLOCK];\n__shared__ float masses[BLOCK];" : "__shared__ Body tile[BLOCK];"}
        const int t = threadIdx.x;
        const int i = blockIdx.x * BLOCK * ${bodies} + t;
        // Own places times -2, so that the product with the other place belongs to the square.
        ${repeat(
          bodies,
          (k) => `float4 me${k} = bodies[i + ${k} * BLOCK];
        me${k}.w = me${k}.x * me${k}.x + me${k}.y * me${k}.y + me${k}.z * me${k}.z + EPS2;
        me${k}.x *= -2.0f;
        me${k}.y *= -2.0f;
        me${k}.z *= -2.0f;
        float4 a${k} = make_float4(0.0f, 0.0f, 0.0f, 0.0f);`,
        )}
        for (int base = blockIdx.y * (N / SPLIT); base < (blockIdx.y + 1) * (N / SPLIT); base += BLOCK) {
          float4 v = bodies[base + t];
          float q = ${early ? "squares[base + t]" : square};
          ${put}
          __syncthreads();
          ${unrolled(unroll)}
          for (int j = 0; j < BLOCK; ++j) {
            ${on(!two, "Body body = tile[j];")}
            float bx = ${b("x")}, by = ${b("y")}, bz = ${b("z")}, bq = ${two ? "places[j].w" : "body.square"}, m = ${mass};
            ${step}
          }
          __syncthreads();
        }
        ${repeat(bodies, store)}
      }
      ${on(!atomic, sumParts("add_splits", "SPLIT", "3 * N", `${after}p * 3 * N + e`, true))}
    `;
    const launches = [
      ...(early ? [launch("find_squares", n / 256, 256, ["bodies", "parts"])] : []),
      ...(atomic ? [launch("clear_acc", (3 * n) / 256, 256, ["acc"])] : []),
      launch("weigh_places", [n / block / bodies, split], block, [
        "bodies",
        ...(early ? ["parts"] : []),
        atomic ? "acc" : "parts",
      ]),
      ...(atomic ? [] : [launch("add_splits", (3 * n) / 256, 256, ["parts", "acc"])]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
