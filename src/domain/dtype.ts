/** Element types of task arguments. Floating types first; `bf16` and `f16` are two bytes wide. */
export const dtypes = ["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8"] as const;

export type Dtype = (typeof dtypes)[number];

const dtypeBytesTable: Record<Dtype, number> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u64: 8,
  u32: 4,
  u16: 2,
  u8: 1,
};

/** Width of one element in bytes. */
export function dtypeBytes(dtype: Dtype): number {
  return dtypeBytesTable[dtype];
}

/**
 * Arithmetic a kernel may use for a task: what the roofline floor is computed with. `tf32`, `f16`, `bf16` and
 * `i8` mean the tensor cores' rate for that type, `f32` and `f64` the ordinary units'.
 */
export const precisions = ["f64", "f32", "tf32", "f16", "bf16", "i8"] as const;

export type Precision = (typeof precisions)[number];
