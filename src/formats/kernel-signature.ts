import type { Dtype } from "../domain/index.ts";

/** One parameter of a kernel as its source declares it. */
export interface KernelParameter {
  readonly text: string;
  readonly pointer: boolean;
  /** Element type, where the declaration names one that we know. */
  readonly dtype?: Dtype;
}

const typeNames: readonly (readonly [RegExp, Dtype])[] = [
  [/^(unsigned long long( int)?|uint64_t|size_t|std::size_t|unsigned long( int)?)$/, "u64"],
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

/**
 * The parameters of a `__global__` function, by reading the text after its name; undefined when the source declares no
 * such function. Template arguments in `name` (`sum<256>`) are ignored.
 */
export function kernelParameters(source: string, name: string): KernelParameter[] | undefined {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/[^\n]*/g, " ");
  const plain = name.replace(/<.*$/, "").trim();
  const start = new RegExp(`__global__[^;{}]*?\\b${escape(plain)}\\s*\\(`, "g").exec(code);
  if (!start) return undefined;
  const open = start.index + start[0].length;
  return splitParameters(code, open).map(toParameter);
}

function escape(text: string): string {
  return text.replace(/[^\w]/g, "\\$&");
}

function splitParameters(code: string, open: number): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = open;
  for (let at = open; at < code.length; at++) {
    const letter = code[at] as string;
    if (letter === ")" && depth === 0) {
      parts.push(code.slice(start, at));
      break;
    }
    if (letter === "(" || letter === "<" || letter === "[") depth++;
    if (letter === ")" || letter === ">" || letter === "]") depth--;
    if (letter === "," && depth === 0) {
      parts.push(code.slice(start, at));
      start = at + 1;
    }
  }
  return parts.map((part) => part.replace(/\s+/g, " ").trim()).filter((part) => part !== "" && part !== "void");
}

function toParameter(text: string): KernelParameter {
  const pointer = /[*&]|\[\s*\d*\s*\]\s*$/.test(text);
  const bare = text
    .replace(/=.*$/, "")
    .replace(/\b(const|volatile|__restrict__|__restrict|restrict|__grid_constant__|register)\b/g, " ")
    .replace(/[*&]|\[.*?\]/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  const withoutName = bare.replace(/ ?\b[A-Za-z_]\w*$/, "");
  const type = [withoutName, bare].map(dtypeOf).find((dtype) => dtype !== undefined);
  return { text, pointer, ...(type ? { dtype: type } : {}) };
}

function dtypeOf(type: string): Dtype | undefined {
  return typeNames.find(([pattern]) => pattern.test(type))?.[1];
}
