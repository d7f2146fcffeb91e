/** What arithmetic on a value runs on. `f16` stands for both half precisions. */
export type Arithmetic = "integer" | "f16" | "f32" | "f64";

/** Width in bytes of one element (a whole vector for `float4`), and its arithmetic. */
export interface ElementType {
  readonly bytes: number;
  readonly arithmetic: Arithmetic;
}

const scalars: Readonly<Record<string, ElementType>> = {
  float: { bytes: 4, arithmetic: "f32" },
  double: { bytes: 8, arithmetic: "f64" },
  half: { bytes: 2, arithmetic: "f16" },
  __half: { bytes: 2, arithmetic: "f16" },
  __half2: { bytes: 4, arithmetic: "f16" },
  half2: { bytes: 4, arithmetic: "f16" },
  bf16: { bytes: 2, arithmetic: "f16" },
  __nv_bfloat16: { bytes: 2, arithmetic: "f16" },
  nv_bfloat16: { bytes: 2, arithmetic: "f16" },
  __nv_bfloat162: { bytes: 4, arithmetic: "f16" },
  nv_bfloat162: { bytes: 4, arithmetic: "f16" },
  __nv_fp8_e4m3: { bytes: 1, arithmetic: "f16" },
  __nv_fp8_e5m2: { bytes: 1, arithmetic: "f16" },
  void: { bytes: 1, arithmetic: "integer" },
  bool: { bytes: 1, arithmetic: "integer" },
  char: { bytes: 1, arithmetic: "integer" },
  short: { bytes: 2, arithmetic: "integer" },
  ushort: { bytes: 2, arithmetic: "integer" },
  int: { bytes: 4, arithmetic: "integer" },
  unsigned: { bytes: 4, arithmetic: "integer" },
  signed: { bytes: 4, arithmetic: "integer" },
  uint: { bytes: 4, arithmetic: "integer" },
  uchar: { bytes: 1, arithmetic: "integer" },
  long: { bytes: 8, arithmetic: "integer" },
  size_t: { bytes: 8, arithmetic: "integer" },
  ptrdiff_t: { bytes: 8, arithmetic: "integer" },
  intptr_t: { bytes: 8, arithmetic: "integer" },
  uintptr_t: { bytes: 8, arithmetic: "integer" },
  auto: { bytes: 4, arithmetic: "integer" },
};

/** Type of a name of CUDA C++: scalars, `intN_t`, and vectors such as `float4` or `uchar2`. Undefined for others. */
export function elementType(name: string): ElementType | undefined {
  const plain = name.replace(/^(std|cuda|cuda::std)::/, "");
  if (Object.hasOwn(scalars, plain)) return scalars[plain];
  const fixed = /^u?int(8|16|32|64)_t$/.exec(plain);
  if (fixed) return { bytes: Number(fixed[1]) / 8, arithmetic: "integer" };
  const vector = /^(float|double|char|uchar|short|ushort|int|uint|longlong|ulonglong|long|ulong)([1-4])$/.exec(plain);
  if (!vector) return undefined;
  const base = vector[1] ?? "";
  const element = base.endsWith("longlong")
    ? ({ bytes: 8, arithmetic: "integer" } as const)
    : (scalars[base] ?? scalars["long"]);
  return element && { bytes: element.bytes * Number(vector[2]), arithmetic: element.arithmetic };
}

const widening: readonly Arithmetic[] = ["integer", "f16", "f32", "f64"];

/** What an operation on two kinds of number runs on. */
export function wider(a: Arithmetic, b: Arithmetic): Arithmetic {
  return widening[Math.max(widening.indexOf(a), widening.indexOf(b))] as Arithmetic;
}
