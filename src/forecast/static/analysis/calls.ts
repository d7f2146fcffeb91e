import type { Expression } from "./ast.ts";
import { elementType, wider, type Arithmetic } from "./element-types.ts";
import { at, combine, map, type Lanes } from "./lanes.ts";
import type { OperationName } from "./profile.ts";
import { lanesOf, numberValue, Scope, unknownNumber, type PointerValue, type Value } from "./values.ts";
import type { Walker } from "./walker.ts";

type Call = Expression & { kind: "call" };

/** Reads a call: a function of the source in place, an intrinsic by its name. */
export function evaluateCall(walker: Walker, call: Call, scope: Scope): Value {
  const given = call.arguments.map((argument) => walker.evaluate(argument, scope));
  if (call.callee.kind === "member") return callMethod(walker, call, call.callee, given, scope);
  const name = call.callee.kind === "name" ? call.callee.name : "";
  const known = call.callee.kind === "name" ? scope.lookUp(name) : walker.evaluate(call.callee, scope);
  if (known?.kind === "function") return walker.call(known.definition, given, known.scope);
  const plain = name.replace(/^.*::/, "");
  const definition = walker.program.functions.get(plain);
  if (definition) {
    const inner = new Scope(walker.globals);
    bindTemplate(walker, definition.templateParameters, call, scope, inner);
    return walker.call(definition, given, inner);
  }
  return callIntrinsic(walker, plain, given);
}

function bindTemplate(walker: Walker, parameters: readonly string[], call: Call, scope: Scope, inner: Scope): void {
  parameters.forEach((parameter, index) => {
    const argument = call.templateArguments[index];
    if (!argument || argument.kind === "text" || argument.kind === "sizeof") return;
    inner.declare(parameter, walker.evaluate(argument, scope));
  });
}

function callMethod(
  walker: Walker,
  call: Call,
  callee: Expression & { kind: "member" },
  given: readonly Value[],
  scope: Scope,
): Value {
  walker.evaluate(callee.object, scope);
  const definition = walker.program.functions.get(callee.name);
  if (definition) return walker.call(definition, given, new Scope(walker.globals));
  if (callee.name === "sync") walker.count("barrier");
  else if (callee.name.startsWith("shfl")) walker.count("shuffle");
  else if (callee.name === "thread_rank") return numberValue(walker.positions.thread[0]);
  else if (call.arguments.length > 0) walker.count("call");
  return unknownNumber;
}

interface Rule {
  readonly pattern: RegExp;
  readonly apply: (walker: Walker, given: readonly Value[], name: string) => Value;
}

function counted(name: OperationName, amount = 1): Rule["apply"] {
  return (walker, given) => {
    walker.count(name, amount);
    return numberValue(Number.NaN, arithmeticOf(given));
  };
}

function arithmeticOf(values: readonly Value[]): Arithmetic {
  return values.reduce<Arithmetic>(
    (widest, value) => (value.kind === "number" ? wider(widest, value.arithmetic) : widest),
    "integer",
  );
}

/** A conversion, whose name says what it makes. */
function converts(walker: Walker, given: readonly Value[], name: string): Value {
  walker.count("conversion");
  const target = /2(float|double|int|uint|ll|half|bfloat16)?\w*$/.exec(name)?.[1] ?? "half";
  const byTarget: Readonly<Record<string, Arithmetic>> = { float: "f32", double: "f64", half: "f16", bfloat16: "f16" };
  return numberValue(Number.NaN, given.length > 0 ? (byTarget[target] ?? "integer") : "f16");
}

/** An arithmetic intrinsic on the widest type of its arguments, or on a given one. */
function arithmetic(fixed?: Arithmetic): Rule["apply"] {
  return (walker, given) => {
    const type = fixed ?? arithmeticOf(given);
    walker.count(type);
    return numberValue(Number.NaN, type);
  };
}

function extremum(pick: (a: number, b: number) => number): Rule["apply"] {
  return (walker, given) => {
    const type = arithmeticOf(given);
    const [a, b] = [lanesOf(given[0] ?? unknownNumber), lanesOf(given[1] ?? unknownNumber)];
    const lanes = combine(a, b, pick);
    if (Number.isNaN(at(lanes, 0))) walker.count(type);
    return numberValue(lanes, type);
  };
}

function loads(walker: Walker, given: readonly Value[]): Value {
  const pointer = given[0];
  if (pointer?.kind !== "pointer") return unknownNumber;
  walker.access(pointer, pointer.element.bytes, { write: false });
  return numberValue(Number.NaN, pointer.element.arithmetic);
}

function stores(walker: Walker, given: readonly Value[]): Value {
  const pointer = given[0];
  if (pointer?.kind === "pointer") walker.access(pointer, pointer.element.bytes, { write: true });
  return unknownNumber;
}

function atomically(walker: Walker, given: readonly Value[]): Value {
  const pointer = given[0];
  if (pointer?.kind !== "pointer") return unknownNumber;
  walker.access(pointer, pointer.element.bytes, { write: true, atomic: true });
  return numberValue(Number.NaN, pointer.element.arithmetic);
}

/** Copies from global to shared memory past the registers: destination, source, bytes per thread. */
function copiesAsync(walker: Walker, given: readonly Value[]): Value {
  const bytes = at(lanesOf(given[2] ?? numberValue(16)), 0);
  asyncCopy(walker, given[0], given[1], Number.isNaN(bytes) ? 16 : bytes);
  return unknownNumber;
}

/** Records an asynchronous copy; either side may be unknown. */
export function asyncCopy(walker: Walker, target: Value | undefined, source: Value | undefined, bytes: number): void {
  if (source?.kind === "pointer") walker.access(source, bytes, { write: false, asynchronous: true });
  else walker.count("asyncCopy");
  if (target?.kind === "pointer") walker.access(target, bytes, { write: true, asynchronous: true });
}

/** A warp reads or writes a 16 × 16 tile: rows of 32 or 64 bytes, a leading dimension apart. */
function matrixAccess(walker: Walker, pointer: PointerValue | undefined, leading: Lanes, write: boolean): void {
  walker.count("matrixLoad");
  if (!pointer) return;
  const lane = map(walker.positions.thread[0], (x) => x % 32);
  const { bytes } = pointer.element;
  const place = combine(lane, leading, (l, pitch) => (Math.floor(l / 2) * pitch + (l % 2) * 8) * bytes);
  const offset = combine(pointer.offset, place, (start, step) => start + step);
  walker.access({ ...pointer, offset, extents: [] }, 8 * bytes, { write });
}

function loadsMatrix(walker: Walker, given: readonly Value[]): Value {
  const pointer = given[1]?.kind === "pointer" ? given[1] : undefined;
  matrixAccess(walker, pointer, lanesOf(given[2] ?? unknownNumber), false);
  return unknownNumber;
}

function storesMatrix(walker: Walker, given: readonly Value[]): Value {
  const pointer = given[0]?.kind === "pointer" ? given[0] : undefined;
  matrixAccess(walker, pointer, lanesOf(given[2] ?? unknownNumber), true);
  return unknownNumber;
}

/** Counts a product on the tensor cores. `flops` is the warp's share. */
export function countMatrix(walker: Walker, flops: number): void {
  walker.count("matrix");
  if (walker.silent === 0) walker.recorder.matrixFlops += flops * walker.recorder.issues(walker);
}

function multipliesMatrix(walker: Walker): Value {
  countMatrix(walker, 2 * 16 * 16 * 16);
  return unknownNumber;
}

const nothing = (): Value => unknownNumber;
const same: Rule["apply"] = (_walker, given) => given[0] ?? unknownNumber;

/** A shared address as an integer still points to the same place, in bytes. */
function asBytes(_walker: Walker, given: readonly Value[]): Value {
  const value = given[0] ?? unknownNumber;
  return value.kind === "pointer" ? { ...value, element: { bytes: 1, arithmetic: "integer" }, extents: [] } : value;
}

const rules: readonly Rule[] = [
  { pattern: /^__syncthreads/, apply: counted("barrier") },
  { pattern: /^__syncwarp$/, apply: counted("warpBarrier") },
  { pattern: /^(sync|arrive|wait|arrive_and_wait)$/, apply: counted("barrier") },
  { pattern: /^__shfl/, apply: counted("shuffle") },
  {
    pattern: /^(__ballot|__any|__all|__activemask|__match|__reduce_\w+_sync|__popc|__ffs|__clz)/,
    apply: counted("vote"),
  },
  { pattern: /^(__ldg|__ldc[agsv]|__ldlu)$/, apply: loads },
  { pattern: /^__st(cg|cs|wb|wt)$/, apply: stores },
  { pattern: /^atomic[A-Z]/, apply: atomically },
  { pattern: /^(__pipeline_memcpy_async|memcpy_async)$/, apply: copiesAsync },
  {
    pattern: /^(__pipeline_wait_prior|__pipeline_arrive_on|consumer_wait|producer_acquire)$/,
    apply: counted("asyncWait"),
  },
  { pattern: /^__cvta_generic_to_shared$|^__cvta_generic_to_global$|^__as_ptr/, apply: asBytes },
  {
    pattern: /^(make_|__pipeline_commit|fill_fragment|__builtin_|__assume|__threadfence|printf|assert|this_)/,
    apply: nothing,
  },
  { pattern: /^load_matrix_sync$/, apply: loadsMatrix },
  { pattern: /^store_matrix_sync$/, apply: storesMatrix },
  { pattern: /^mma_sync$/, apply: multipliesMatrix },
  { pattern: /^(min|fminf|fmin|__hmin2?|umin|__vmin\w*)$/, apply: extremum(Math.min) },
  { pattern: /^(max|fmaxf|fmax|__hmax2?|umax|__vmax\w*)$/, apply: extremum(Math.max) },
  {
    pattern: /^(__mul24|__umul24|__mulhi|__umulhi|__funnelshift_\w+|__byte_perm|__dp4a|__dp2a|__vadd\w+|abs)$/,
    apply: arithmetic("integer"),
  },
  {
    pattern:
      /^(__fma|__fmaf|fmaf?|__f(mul|add|sub)|fabsf?|floorf|ceilf|truncf|rintf|roundf|copysignf|fdimf)(_r[nzud])?$/,
    apply: arithmetic(),
  },
  { pattern: /^__h(fma|mul|add|sub|neg|abs|fma_relu)2?(_r[nz]|_sat)?$/, apply: arithmetic("f16") },
  {
    pattern:
      /^__(half|bfloat16|low|high|int|uint|ll|float|double|ushort|short)s?\w*2(float|double|int|uint|half|bfloat16|ll|short|ushort)|^__(floats|halves|lows|highs|nv_cvt)\w*|^__(low|high)2\w+/,
    apply: converts,
  },
  { pattern: /^__h(gt|lt|ge|le|eq|ne|isnan)2?$/, apply: counted("conversion") },
  {
    pattern:
      /^(__expf|__exp10f|exp2f|__logf|__log2f|__log10f|__sinf|__cosf|__tanf|rsqrtf|__frsqrt_rn|__frcp_r[nzud]|__fsqrt_r[nzud]|h2?(exp2?|log2?|rcp|sqrt|rsqrt|sin|cos)|__tanhf|tanh_approx|ex2|__saturatef|__fdividef|__frcp\w*)$/,
    apply: counted("special"),
  },
  {
    pattern:
      /^(exp|log|sqrt|sin|cos|tan|tanh|erf|erfc|pow|powf|expm1|log1p|sincos|normcdf|cbrt|hypot|fmod|atan2?|asin|acos|sinh|cosh|exp10|log2|log10|exp2)f?$/,
    apply: counted("precise"),
  },
  { pattern: /^__f?div(f|ide)?\w*$/, apply: counted("division") },
  { pattern: /^(move|forward|ref)$|_as_/, apply: same },
];

function callIntrinsic(walker: Walker, name: string, given: readonly Value[]): Value {
  const type = elementType(name);
  if (type) return given[0]?.kind === "number" ? numberValue(given[0].lanes, type.arithmetic) : unknownNumber;
  if (/^__shfl(_up|_down|_xor)?$|^__(any|all|ballot)$/.test(name) && walker.silent === 0) walker.recorder.unresolved++;
  const rule = rules.find(({ pattern }) => pattern.test(name));
  if (rule) return rule.apply(walker, given, name);
  walker.count("call");
  return unknownNumber;
}
