import { on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export interface Extent {
  readonly n: number;
  readonly c: number;
  readonly d: number;
  readonly h: number;
  readonly w: number;
  readonly voxels: number;
}

export function extentOf(sizes: Sizes): Extent {
  const [n, c, d, h, w] = ["n", "c", "d", "h", "w"].map((name) => sizes[name] as number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { n, c, d, h, w, voxels: d * h * w };
}

export const blends = ["weights", "lerps", "loops"] as const;
export const clamps = ["minmax", "saturate", "late"] as const;
export type Blend = (typeof blends)[number];
export type Clamp = (typeof clamps)[number];
export type Vector = "float" | "float2" | "float4";

export const widthOf = (vector: Vector): number => ({ float: 1, float2: 2, float4: 4 })[vector];

/** The shape of the volume as names; a voxel is `per` elements of the array that is read. */
export function shape(extent: Extent, macros: boolean, per: number | string = 1): string {
  const { n, c, d, h, w } = extent;
  const names: readonly (readonly [string, string | number])[] = [
    ["N", n],
    ["C", c],
    ["D", d],
    ["H", h],
    ["W", w],
    ["VOXELS", "(D * H * W)"],
    ["STEP_X", per],
    ["STEP_Y", per === 1 ? "W" : "(W * STEP_X)"],
    ["STEP_Z", per === 1 ? "(W * H)" : "(W * H * STEP_X)"],
  ];
  return names
    .map(([name, value]) =>
      macros ? `#define ${name} ${value}` : `constexpr int ${name} = ${String(value).replace(/^\((.*)\)$/, "$1")};`,
    )
    .join("\n");
}

const components: Readonly<Record<Vector, readonly string[]>> = {
  float: [""],
  float2: [".x", ".y"],
  float4: [".x", ".y", ".z", ".w"],
};

/** Device functions that a blend of `vector` values calls. */
export function blendHelpers(blend: Blend, vector: Vector, fused: boolean): string {
  const parts = components[vector];
  if (blend === "lerps") {
    const one = (part: string): string =>
      fused ? `fmaf(t, b${part} - a${part}, a${part})` : `a${part} + t * (b${part} - a${part})`;
    const value = vector === "float" ? one("") : `make_${vector}(${parts.map((part) => one(part)).join(", ")})`;
    return `__device__ __forceinline__ ${vector} mix(${vector} a, ${vector} b, float t) {
return ${value};
}
`;
  }
  return `__device__ __forceinline__ void add_scaled(${vector}& sum, ${vector} v, float weight) {
${parts.map((part) => (fused ? `sum${part} = fmaf(weight, v${part}, sum${part});` : `sum${part} += weight * v${part};`)).join("\n")}
}
`;
}

export const zeroOf = (vector: Vector): string =>
  vector === "float" ? "0.0f" : `make_${vector}(${components[vector].map(() => "0.0f").join(", ")})`;

const corners = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const offsetOf = (corner: number): string =>
  `${on((corner & 1) > 0, " + STEP_X")}${on((corner & 2) > 0, " + STEP_Y")}${on((corner & 4) > 0, " + STEP_Z")}`;
const factor = (corner: number, bit: number, axis: string): string =>
  (corner & bit) > 0 ? `f${axis}` : `(1.0f - f${axis})`;

/** Declares the eight weights where the blend uses them. */
export function weights(blend: Blend): string {
  return blend === "weights"
    ? corners
        .map((k) => `const float w${k} = ${factor(k, 1, "x")} * ${factor(k, 2, "y")} * ${factor(k, 4, "z")};`)
        .join("\n")
    : "";
}

/** Declares `result` from the eight corners at `base`; `value` reads one index. */
export function blended(
  blend: Blend,
  vector: Vector,
  value: (index: string) => string,
  base = "base",
  pragma = "",
): string {
  const at = (corner: number): string => value(`${base}${offsetOf(corner)}`);
  if (blend === "weights")
    return `${vector} result = ${zeroOf(vector)};
${corners.map((k) => `add_scaled(result, ${at(k)}, w${k});`).join("\n")}`;
  if (blend === "lerps")
    return `const ${vector} near_low = mix(${at(0)}, ${at(1)}, fx), near_high = mix(${at(2)}, ${at(3)}, fx);
const ${vector} far_low = mix(${at(4)}, ${at(5)}, fx), far_high = mix(${at(6)}, ${at(7)}, fx);
const ${vector} result = mix(mix(near_low, near_high, fy), mix(far_low, far_high, fy), fz);`;
  return `${vector} result = ${zeroOf(vector)};
${pragma}for (int corner = 0; corner < 8; ++corner) {
const int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2;
const float weight = (dx ? fx : 1.0f - fx) * (dy ? fy : 1.0f - fy) * (dz ? fz : 1.0f - fz);
add_scaled(result, ${value(`${base} + dx * STEP_X + dy * STEP_Y + dz * STEP_Z`)}, weight);
}`;
}

/** ix, iy, iz and fx, fy, fz of the point whose raw coordinates are three expressions. */
export function located(clamp: Clamp, raw: readonly [string, string, string]): string {
  const axes = ["x", "y", "z"] as const;
  const sizes = ["W", "H", "D"] as const;
  return axes
    .map((axis, k) => {
      const size = sizes[k] as string;
      const value = raw[k] as string;
      const place = {
        minmax: `fminf(fmaxf(${value}, 0.0f), 1.0f) * (${size} - 1)`,
        saturate: `__saturatef(${value}) * (${size} - 1)`,
        late: `fminf(fmaxf(${value} * (${size} - 1), 0.0f), (float)(${size} - 1))`,
      }[clamp];
      return `const float g${axis} = ${place};
const int i${axis} = min((int)g${axis}, ${size} - 2);
const float f${axis} = g${axis} - i${axis};`;
    })
    .join("\n");
}

export const rawOf = (index: string): readonly [string, string, string] => [
  `points[3 * ${index}]`,
  `points[3 * ${index} + 1]`,
  `points[3 * ${index} + 2]`,
];

export const baseOf = (per = ""): string => `const int base = (iz * STEP_Z + iy * STEP_Y + ix * STEP_X)${per};`;
