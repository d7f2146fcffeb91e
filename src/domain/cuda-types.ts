import type { Dtype } from "./dtype.ts";

const typeNames: readonly (readonly [RegExp, Dtype])[] = [
  [/^(unsigned long long( int)?|uint64_t|size_t|unsigned long( int)?)$/, "u64"],
  [/^((signed )?long long( int)?|int64_t|ptrdiff_t|long( int)?)$/, "i64"],
  [/^(unsigned( int)?|uint32_t|uint)$/, "u32"],
  [/^((signed )?int|signed|int32_t)$/, "i32"],
  [/^(unsigned short( int)?|uint16_t|ushort)$/, "u16"],
  [/^((signed )?short( int)?|int16_t)$/, "i16"],
  [/^(unsigned char|uint8_t|uchar|bool)$/, "u8"],
  [/^((signed )?char|int8_t)$/, "i8"],
  [/^double$/, "f64"],
  [/^float$/, "f32"],
  [/^(__half|half)$/, "f16"],
  [/^(__nv_bfloat16|nv_bfloat16|bfloat16)$/, "bf16"],
];

/** Our name for a scalar type of CUDA C++ without qualifiers, such as `unsigned int`; undefined for other types. */
export function dtypeOf(type: string): Dtype | undefined {
  return typeNames.find(([pattern]) => pattern.test(type.replace(/^(::)?std::/, "")))?.[1];
}
