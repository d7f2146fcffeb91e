import { dtypeOf, dtypes, type Dtype } from "../domain/index.ts";

/** Names that other projects give to element types, beside our own and those of CUDA C++. */
const aliases: Readonly<Record<string, Dtype>> = {
  float64: "f64",
  fp64: "f64",
  float32: "f32",
  fp32: "f32",
  float16: "f16",
  fp16: "f16",
  int64: "i64",
  int32: "i32",
  int16: "i16",
  int8: "i8",
  uint64: "u64",
  uint32: "u32",
  uint16: "u16",
  uint8: "u8",
};

/** Our name for an element type by any of its usual ones: `float32`, `torch.float32`, `np.int64`, `unsigned int`, `bool`. */
export function dtypeNamed(name: string): Dtype | undefined {
  const plain = name
    .trim()
    .toLowerCase()
    .replace(/^(torch|np|numpy|jnp|jax\.numpy|cupy|tl)\./, "");
  return dtypes.find((known) => known === plain) ?? aliases[plain] ?? dtypeOf(plain);
}
