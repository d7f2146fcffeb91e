import { on } from "../kit/code.ts";

export type Exits = "early" | "flat" | "deferred";
export type Division = "plain" | "approximate";
export type PlaneTest = "prune" | "flat" | "halfway";

const quotient = (division: Division, above: string, below: string): string =>
  division === "plain" ? `${above} / ${below}` : `__fdividef(${above}, ${below})`;

const ray = `
  struct Ray {
    float ox, oy, oz;
    float dx, dy, dz;
  };
`;

/** A device function that reads ray `i`. */
export function rayReader(pairs: boolean): string {
  const body = pairs
    ? `const float2* from = reinterpret_cast<const float2*>(rays) + 3 * i;
      const float2 a = from[0], b = from[1], c = from[2];
      const Ray r = {a.x, a.y, b.x, b.y, c.x, c.y};`
    : `const float* from = rays + 6 * i;
      const Ray r = {from[0], from[1], from[2], from[3], from[4], from[5]};`;
  return `
    ${ray}
    __device__ __forceinline__ Ray read_ray(const float* __restrict__ rays, int i) {
      ${body}
      return r;
    }
  `;
}

/** A device function `meet` of a ray with a corner and two edges; gives the smaller of `best` and the distance. */
export function edgeTest(exits: Exits, division: Division): string {
  const head = `
    __device__ __forceinline__ float meet(const Ray& r, float vx, float vy, float vz, float ex, float ey, float ez, float fx, float fy, float fz, float best) {
      const float px = r.dy * fz - r.dz * fy;
      const float py = r.dz * fx - r.dx * fz;
      const float pz = r.dx * fy - r.dy * fx;
      const float det = ex * px + ey * py + ez * pz;
      const float sx = r.ox - vx, sy = r.oy - vy, sz = r.oz - vz;`;
  const cross = `
      const float qx = sy * ez - sz * ey;
      const float qy = sz * ex - sx * ez;
      const float qz = sx * ey - sy * ex;`;
  const tails = {
    early: `
      const float inverse = ${quotient(division, "1.0f", "det")};
      const float u = (sx * px + sy * py + sz * pz) * inverse;
      if (!(u >= 0.0f && u <= 1.0f)) return best;
      ${cross}
      const float v = (r.dx * qx + r.dy * qy + r.dz * qz) * inverse;
      if (!(v >= 0.0f && u + v <= 1.0f)) return best;
      const float t = (fx * qx + fy * qy + fz * qz) * inverse;
      return t > 0.0f && t < best ? t : best;`,
    flat: `
      ${cross}
      const float inverse = ${quotient(division, "1.0f", "det")};
      const float u = (sx * px + sy * py + sz * pz) * inverse;
      const float v = (r.dx * qx + r.dy * qy + r.dz * qz) * inverse;
      const float t = (fx * qx + fy * qy + fz * qz) * inverse;
      const bool inside = u >= 0.0f && v >= 0.0f && u + v <= 1.0f && t > 0.0f;
      return inside ? fminf(t, best) : best;`,
    deferred: `
      // Signs move to the numerators, so that only hits are divided.
      const float size = fabsf(det);
      const float sign = copysignf(1.0f, det);
      const float u = (sx * px + sy * py + sz * pz) * sign;
      ${cross}
      const float v = (r.dx * qx + r.dy * qy + r.dz * qz) * sign;
      if (u < 0.0f || v < 0.0f || u + v > size) return best;
      const float t = ${quotient(division, "(fx * qx + fy * qy + fz * qz) * sign", "size")};
      return t > 0.0f ? fminf(t, best) : best;`,
  }[exits];
  return `${head}${tails}
    }
  `;
}

/** Calls `meet` with a triangle's nine corner coordinates, given by their texts. */
export function meetCorners(at: (k: number) => string, rayName: string, best: string): string {
  const edge = (from: number): string => [0, 1, 2].map((c) => `${at(from + c)} - ${at(c)}`).join(", ");
  return `meet(${rayName}, ${at(0)}, ${at(1)}, ${at(2)}, ${edge(3)}, ${edge(6)}, ${best})`;
}

/** Numbers to make of nine corner coordinates a plane and two linear functions that are the barycentric coordinates on it. */
export function planeMaker(approximate = false): string {
  return `
    struct Planes {
      float4 normal, along, across;
    };

    __device__ __forceinline__ Planes make_planes(const float* __restrict__ c) {
      const float ex = c[3] - c[0], ey = c[4] - c[1], ez = c[5] - c[2];
      const float fx = c[6] - c[0], fy = c[7] - c[1], fz = c[8] - c[2];
      const float nx = ey * fz - ez * fy, ny = ez * fx - ex * fz, nz = ex * fy - ey * fx;
      const float s = ${quotient(approximate ? "approximate" : "plain", "1.0f", "(nx * nx + ny * ny + nz * nz)")};
      const float ux = (fy * nz - fz * ny) * s, uy = (fz * nx - fx * nz) * s, uz = (fx * ny - fy * nx) * s;
      const float vx = (ny * ez - nz * ey) * s, vy = (nz * ex - nx * ez) * s, vz = (nx * ey - ny * ex) * s;
      Planes p;
      p.normal = make_float4(nx, ny, nz, nx * c[0] + ny * c[1] + nz * c[2]);
      p.along = make_float4(ux, uy, uz, -(ux * c[0] + uy * c[1] + uz * c[2]));
      p.across = make_float4(vx, vy, vz, -(vx * c[0] + vy * c[1] + vz * c[2]));
      return p;
    }
  `;
}

/** A device function `cut` of a ray with a triangle's planes. */
export function planeTest(test: PlaneTest, division: Division): string {
  const head = `
    __device__ __forceinline__ float cut(const Ray& r, const float4& n, const float4& a, const float4& b, float best) {
      const float t = ${quotient(division, "(n.w - n.x * r.ox - n.y * r.oy - n.z * r.oz)", "(n.x * r.dx + n.y * r.dy + n.z * r.dz)")};`;
  const place = `const float x = fmaf(t, r.dx, r.ox), y = fmaf(t, r.dy, r.oy), z = fmaf(t, r.dz, r.oz);`;
  const u = `const float u = fmaf(a.x, x, fmaf(a.y, y, fmaf(a.z, z, a.w)));`;
  const v = `const float v = fmaf(b.x, x, fmaf(b.y, y, fmaf(b.z, z, b.w)));`;
  const tails = {
    prune: `
      if (!(t > 0.0f && t < best)) return best;
      ${place}
      ${u}
      ${v}
      return u >= 0.0f && v >= 0.0f && u + v <= 1.0f ? t : best;`,
    flat: `
      ${place}
      ${u}
      ${v}
      const bool inside = fminf(u, v) >= 0.0f && u + v <= 1.0f && t > 0.0f;
      return inside ? fminf(t, best) : best;`,
    halfway: `
      ${place}
      ${u}
      if (!(u >= 0.0f && u <= 1.0f)) return best;
      ${v}
      return v >= 0.0f && u + v <= 1.0f && t > 0.0f ? fminf(best, t) : best;`,
  }[test];
  return `${head}${tails}
    }
  `;
}

/** A launch's kernel that writes three float4 of planes per triangle. */
export function planesKernel(count: string): string {
  return `
    extern "C" __global__ void prepare_planes(const float* __restrict__ triangles, float4* __restrict__ prepared) {
      const int k = blockIdx.x * blockDim.x + threadIdx.x;
      if (k >= ${count}) return;
      const Planes p = make_planes(triangles + 9 * k);
      prepared[3 * k] = p.normal;
      prepared[3 * k + 1] = p.along;
      prepared[3 * k + 2] = p.across;
    }
  `;
}

/** A launch's kernel that writes the sphere about each group of triangles; `slack` keeps rounding on the safe side. */
export function spheresKernel(group: string, count: string): string {
  const one = group === "1";
  return `
    extern "C" __global__ void bound_triangles(const float* __restrict__ triangles, float4* __restrict__ spheres) {
      const int g = blockIdx.x * blockDim.x + threadIdx.x;
      if (g >= ${count}) return;
      const float* corners = triangles + 9 * ${group} * g;
      float cx = 0.0f, cy = 0.0f, cz = 0.0f;
      for (int k = 0; k < 3 * ${group}; ++k) {
        cx += corners[3 * k];
        cy += corners[3 * k + 1];
        cz += corners[3 * k + 2];
      }
      const float share = 1.0f / (3 * ${group});
      cx *= share;
      cy *= share;
      cz *= share;
      float largest = 0.0f;
      for (int k = 0; k < 3 * ${group}; ++k) {
        const float x = corners[3 * k] - cx, y = corners[3 * k + 1] - cy, z = corners[3 * k + 2] - cz;
        largest = fmaxf(largest, x * x + y * y + z * z);
      }
      ${on(!one, "// A little wider, so that rounding rules nothing out.")}
      spheres[g] = make_float4(cx, cy, cz, sqrtf(largest) + 1.0e-4f);
    }
  `;
}

/** Sizes of the task. */
export function extent(sizes: Readonly<Record<string, number>>, form: "define" | "constexpr"): string {
  const { n = 0, m = 0 } = sizes;
  return form === "define"
    ? `#define RAYS ${n}\n#define TRIANGLES ${m}\n#define FAR_AWAY 100.0f`
    : `constexpr int RAYS = ${n};\nconstexpr int TRIANGLES = ${m};\nconstexpr float FAR_AWAY = 100.0f;`;
}
