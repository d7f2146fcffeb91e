import { on, repeat, styled, template } from "../kit/code.ts";
import { batchOf, single } from "./parts.ts";
import { bounds } from "./registers.ts";

interface Choices {
  readonly rows: number;
  readonly through: string;
  readonly quads: boolean;
  readonly neighbours: boolean;
  readonly zero: boolean;
}

/** How the pivot's row reaches the group's lanes, and what they do with it. */
function exchange(o: Choices): Readonly<Record<"owner" | "slot" | "broadcast" | "update", string>> {
  const R = o.rows;
  const owner = o.neighbours ? "p / ROWS" : "p % LANES";
  const slot = o.neighbours ? "p % ROWS" : "p / LANES";
  const picked = (j: string): string =>
    Array.from({ length: R - 1 }, (_, i) => i + 1).reduce(
      (text, i) => `(slot == ${i} ? v[${i}][${j}] : ${text})`,
      `v[0][${j}]`,
    );
  const apply = o.zero
    ? `#pragma unroll
        for (int i = 0; i < ROWS; ++i) v[i][j] -= f[i] * u;`
    : `#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
          if (open >> i & 1) v[i][j] -= f[i] * u;
        }`;
  const shuffled = `const float d = __shfl_sync(0xffffffffu, ${picked("k")}, owner, LANES);`;
  const shuffleUpdate = `#pragma unroll
    for (int j = 1; j < 32; ++j) {
      if (j > k) {
        const float u = __shfl_sync(0xffffffffu, ${picked("j")}, owner, LANES);
        ${apply}
      }
    }`;
  const lined = `if (l == owner) {
      #pragma unroll
      for (int j = 0; j < 32; ++j) {
        if (j >= k) line[k & 1][j] = ${picked("j")};
      }
    }
    __syncwarp();
    const float d = line[k & 1][k];`;
  const quadUpdate = `#pragma unroll
    for (int c = 0; c < 32; c += 4) {
      if (c + 3 > k) {
        const float4 four = *reinterpret_cast<const float4*>(&line[k & 1][c]);
        ${repeat(
          4,
          (x) => `if (c + ${x} > k) {
          const int j = c + ${x};
          const float u = four.${"xyzw"[x]};
          ${apply}
        }`,
        )}
      }
    }`;
  const lineUpdate = o.quads
    ? quadUpdate
    : `#pragma unroll
    for (int j = 1; j < 32; ++j) {
      if (j > k) {
        const float u = line[k & 1][j];
        ${apply}
      }
    }`;
  const byLine = o.through === "line";
  return { owner, slot, broadcast: byLine ? lined : shuffled, update: byLine ? lineUpdate : shuffleUpdate };
}

/** Several rows a lane: fewer lanes per matrix, so that a warp works on two or four matrices at once. */
export const rowGroups = template({
  id: "row-groups",
  from: "row-broadcast",
  count: 20,
  idea: "give each lane several rows, so that one warp factors several matrices and a broadcast serves more products",
  options: {
    rows: [2, 4],
    through: ["shuffle", "line"],
    quads: [false, true],
    reciprocal: [true, false],
    neighbours: [false, true],
    zero: [true, false],
    bounded: [true, false],
    restrict: [true, false],
    warps: [4, 2, 8],
  },
  valid: (o) => o.through === "line" || !o.quads,
  write(o, sizes) {
    const q = on(o.restrict, " __restrict__");
    const rowOf = (i: string): string => (o.neighbours ? `(l * ROWS + ${i})` : `(l + LANES * ${i})`);
    const { owner, slot, broadcast, update } = exchange(o);
    const byLine = o.through === "line";
    const source = `constexpr int ROWS = ${o.rows}, LANES = 32 / ROWS, GROUPS = ${o.warps} * ROWS;

extern "C" __global__ void ${bounds(o.bounded, o.warps)}lu_groups(const float*${q} a, float*${q} lu, int*${q} perm) {
  ${on(byLine, "__shared__ __align__(16) float lines[GROUPS][2][36];")}
  const int l = threadIdx.x % LANES, group = threadIdx.x / LANES;
  const int m = blockIdx.x * GROUPS + group;
  ${on(byLine, "float (*line)[36] = lines[group];")}
  float v[ROWS][32];
  int place[ROWS];
  #pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    const float4* src = reinterpret_cast<const float4*>(a + (size_t)m * 1024 + ${rowOf("i")} * 32);
    #pragma unroll
    for (int c = 0; c < 8; ++c) {
      const float4 t = src[c];
      v[i][4 * c] = t.x;
      v[i][4 * c + 1] = t.y;
      v[i][4 * c + 2] = t.z;
      v[i][4 * c + 3] = t.w;
    }
  }
  unsigned open = (1u << ROWS) - 1;
  #pragma unroll
  for (int k = 0; k < 32; ++k) {
    unsigned key = 0;
    #pragma unroll
    for (int i = 0; i < ROWS; ++i) {
      if (open >> i & 1) key = max(key, (__float_as_uint(fabsf(v[i][k])) & ~31u) | (unsigned)${rowOf("i")});
    }
    #pragma unroll
    for (int o = LANES / 2; o > 0; o /= 2) key = max(key, __shfl_xor_sync(0xffffffffu, key, o, LANES));
    const int p = key & 31, owner = ${owner}, slot = ${slot};
    ${broadcast}
    if (l == owner) {
      open &= ~(1u << slot);
      #pragma unroll
      for (int i = 0; i < ROWS; ++i) {
        if (i == slot) place[i] = k;
      }
    }
    ${on(o.reciprocal, "const float inv = 1.0f / d;")}
    float f[ROWS];
    #pragma unroll
    for (int i = 0; i < ROWS; ++i) {
      f[i] = (open >> i & 1) ? v[i][k] ${o.reciprocal ? "* inv" : "/ d"} : 0.0f;
      if (open >> i & 1) v[i][k] = f[i];
    }
    ${update}
  }
  #pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    float4* dst = reinterpret_cast<float4*>(lu + (size_t)m * 1024 + place[i] * 32);
    #pragma unroll
    for (int c = 0; c < 8; ++c) dst[c] = make_float4(v[i][4 * c], v[i][4 * c + 1], v[i][4 * c + 2], v[i][4 * c + 3]);
    perm[m * 32 + place[i]] = ${rowOf("i")};
  }
}
`;
    const draft = single(source, "lu_groups", batchOf(sizes) / (o.warps * o.rows), 32 * o.warps);
    return styled(draft, { names: "snake", indent: 4 });
  },
});
