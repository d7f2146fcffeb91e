import { on, repeat } from "../kit/code.ts";

/** Where the powers of the root of unity come from. */
export type Powers = "table" | "__ldg" | "sincosf" | "__sincosf" | "sincospif";

export const fromTable = (powers: Powers): boolean => powers === "table" || powers === "__ldg";

/** The parameter, and the argument, for the table where it is read. */
export const tableParameter = (powers: Powers): string => on(fromTable(powers), ", const float2* __restrict__ w");
export const tableArgument = (powers: Powers): readonly string[] => (fromTable(powers) ? ["w"] : []);

/** exp(-2 pi i k / 1024) as an expression. */
export function power(powers: Powers, k: string): string {
  if (powers === "table") return `w[${k}]`;
  return powers === "__ldg" ? `__ldg(w + (${k}))` : `root(${k})`;
}

export function powerFunction(powers: Powers): string {
  const bodies: Record<Powers, string> = {
    table: "",
    __ldg: "",
    sincosf: "float s, c;\nsincosf(-6.28318531f / 1024.0f * k, &s, &c);\nreturn make_float2(c, s);",
    __sincosf: "float s, c;\n__sincosf(-6.28318531f / 1024.0f * k, &s, &c);\nreturn make_float2(c, s);",
    sincospif: "float s, c;\nsincospif(k * (-1.0f / 512.0f), &s, &c);\nreturn make_float2(c, s);",
  };
  return bodies[powers] === "" ? "" : `__device__ __forceinline__ float2 root(int k) {\n${bodies[powers]}\n}\n`;
}

export const complexHelpers = `
  __device__ __forceinline__ float2 add(float2 a, float2 b) {
    return make_float2(a.x + b.x, a.y + b.y);
  }

  __device__ __forceinline__ float2 sub(float2 a, float2 b) {
    return make_float2(a.x - b.x, a.y - b.y);
  }

  __device__ __forceinline__ float2 mul(float2 a, float2 b) {
    return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
  }
`;

/** Functions fft_2 … fft_R that transform an array in registers; each is made of two of half the size. */
export function smallTransforms(largest: number): string {
  const text = [
    `__device__ __forceinline__ void fft_2(float2* v) {
      const float2 a = v[0];
      v[0] = add(a, v[1]);
      v[1] = sub(a, v[1]);
    }`,
    `__device__ __forceinline__ void fft_4(float2* v) {
      const float2 a = add(v[0], v[2]), b = sub(v[0], v[2]);
      const float2 c = add(v[1], v[3]), d = sub(v[1], v[3]);
      v[0] = add(a, c);
      v[2] = sub(a, c);
      v[1] = make_float2(b.x + d.y, b.y - d.x);
      v[3] = make_float2(b.x - d.y, b.y + d.x);
    }`,
  ];
  for (let size = 8; size <= largest; size *= 2) text.push(doubled(size));
  return text.slice(0, Math.max(1, Math.log2(largest))).join("\n\n");
}

function doubled(size: number): string {
  const half = size / 2;
  const turns = repeat(half - 1, (index) => {
    const angle = (-2 * Math.PI * (index + 1)) / size;
    return `o[${index + 1}] = mul(o[${index + 1}], make_float2(${literal(Math.cos(angle))}, ${literal(Math.sin(angle))}));`;
  });
  return `
    __device__ __forceinline__ void fft_${size}(float2* v) {
      float2 e[${half}], o[${half}];
      #pragma unroll
      for (int i = 0; i < ${half}; ++i) {
        e[i] = v[2 * i];
        o[i] = v[2 * i + 1];
      }
      fft_${half}(e);
      fft_${half}(o);
      ${turns}
      #pragma unroll
      for (int i = 0; i < ${half}; ++i) {
        v[i] = add(e[i], o[i]);
        v[i + ${half}] = sub(e[i], o[i]);
      }
    }`;
}

function literal(value: number): string {
  return `${(Math.abs(value) < 1e-12 ? 0 : value).toFixed(9)}f`;
}
