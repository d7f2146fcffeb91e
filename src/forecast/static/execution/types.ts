/** Names of scalar types. */
export type ScalarName =
  | "void"
  | "bool"
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "f16"
  | "bf16"
  | "f32"
  | "f64";

export interface ScalarType {
  readonly kind: "scalar";
  readonly name: ScalarName;
  readonly bytes: number;
  readonly align: number;
}

export interface PointerType {
  readonly kind: "pointer";
  readonly to: Type;
  readonly bytes: 8;
  readonly align: 8;
}

export interface ArrayType {
  readonly kind: "array";
  readonly of: Type;
  readonly count: number;
  readonly bytes: number;
  readonly align: number;
}

export interface Field {
  readonly name: string;
  readonly type: Type;
  readonly offset: number;
}

/** A structure, a vector such as `float4`, or a matrix fragment (whose lanes hold its elements in `x`). */
export interface RecordType {
  readonly kind: "record";
  readonly name: string;
  readonly fields: readonly Field[];
  readonly bytes: number;
  readonly align: number;
  readonly fragment?: Fragment;
}

/** What a matrix fragment is a part of. */
export interface Fragment {
  readonly use: "a" | "b" | "c";
  readonly rows: number;
  readonly columns: number;
  readonly columnMajor: boolean;
}

export type Type = ScalarType | PointerType | ArrayType | RecordType;

const bytesOf: Readonly<Record<ScalarName, number>> = {
  void: 1,
  bool: 1,
  i8: 1,
  u8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  i64: 8,
  u64: 8,
  f16: 2,
  bf16: 2,
  f32: 4,
  f64: 8,
};

const scalars = new Map(
  (Object.keys(bytesOf) as ScalarName[]).map((name): [ScalarName, ScalarType] => [
    name,
    { kind: "scalar", name, bytes: bytesOf[name], align: bytesOf[name] },
  ]),
);

export function scalarType(name: ScalarName): ScalarType {
  return scalars.get(name) as ScalarType;
}

const pointers = new WeakMap<Type, PointerType>();

export function pointerTo(to: Type): PointerType {
  const known = pointers.get(to);
  if (known) return known;
  const made: PointerType = { kind: "pointer", to, bytes: 8, align: 8 };
  pointers.set(to, made);
  return made;
}

export function arrayOf(of: Type, count: number): ArrayType {
  return { kind: "array", of, count, bytes: of.bytes * count, align: of.align };
}

/** Lays fields out one behind another, or on top of one another in a union. */
export function recordType(
  name: string,
  members: readonly { readonly name: string; readonly type: Type }[],
  options: { readonly align?: number; readonly isUnion?: boolean } = {},
): RecordType {
  const fields: Field[] = [];
  let end = 0;
  let align = options.align ?? 1;
  for (const member of members) {
    const offset = options.isUnion ? 0 : roundUp(end, member.type.align);
    fields.push({ ...member, offset });
    end = Math.max(end, offset + member.type.bytes);
    align = Math.max(align, member.type.align);
  }
  return { kind: "record", name, fields, bytes: Math.max(1, roundUp(end, align)), align };
}

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

const namedScalars: Readonly<Record<string, ScalarName>> = {
  void: "void",
  bool: "bool",
  char: "i8",
  uchar: "u8",
  short: "i16",
  ushort: "u16",
  int: "i32",
  signed: "i32",
  unsigned: "u32",
  uint: "u32",
  long: "i64",
  ulong: "u64",
  longlong: "i64",
  ulonglong: "u64",
  size_t: "u64",
  ptrdiff_t: "i64",
  intptr_t: "i64",
  uintptr_t: "u64",
  half: "f16",
  __half: "f16",
  __nv_bfloat16: "bf16",
  nv_bfloat16: "bf16",
  float: "f32",
  double: "f64",
};

const pairs: Readonly<Record<string, ScalarName>> = {
  half2: "f16",
  __half2: "f16",
  __nv_bfloat162: "bf16",
  nv_bfloat162: "bf16",
};

const builtIn = new Map<string, Type | undefined>();

/** A type of CUDA C++ by its name: scalars, vectors, pairs of halves, `dim3`. Undefined for others. */
export function builtInType(name: string): Type | undefined {
  if (!builtIn.has(name)) builtIn.set(name, makeBuiltIn(name.replace(/^(std|cuda|cuda::std)::/, "")));
  return builtIn.get(name);
}

function makeBuiltIn(name: string): Type | undefined {
  const scalar = Object.hasOwn(namedScalars, name) ? namedScalars[name] : undefined;
  if (scalar) return scalarType(scalar);
  const fixed = /^(u?)int(8|16|32|64)_t$/.exec(name);
  if (fixed) return scalarType(`${fixed[1] ? "u" : "i"}${fixed[2]}` as ScalarName);
  const pair = Object.hasOwn(pairs, name) ? pairs[name] : undefined;
  if (pair) return vectorType(name, scalarType(pair), 2, 4);
  if (name === "dim3") return vectorType(name, scalarType("u32"), 3, 4);
  return numberedVector(name);
}

function numberedVector(name: string): RecordType | undefined {
  const vector = /^(u?(?:char|short|int|longlong|long)|float|double)([1-4])$/.exec(name);
  const element = namedScalars[vector?.[1] ?? ""];
  if (!vector || !element) return undefined;
  const count = Number(vector[2]);
  const { bytes } = scalarType(element);
  return vectorType(name, scalarType(element), count, count === 3 ? bytes : Math.min(16, bytes * count));
}

function vectorType(name: string, element: ScalarType, count: number, align: number): RecordType {
  const members = ["x", "y", "z", "w"].slice(0, count).map((field) => ({ name: field, type: element }));
  return recordType(name, members, { align });
}

export function isFloating(type: Type): boolean {
  return type.kind === "scalar" && /^(f|bf)/.test(type.name);
}
