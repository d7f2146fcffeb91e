import { commonType, convertLanes } from "./arithmetic.ts";
import { fuseFloats } from "./fast-arithmetic.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { mapLanes, zipLanes, type Lanes } from "./lanes.ts";
import { fit, Mistyped } from "./rounding.ts";
import { isFloating, scalarType, type ScalarName, type ScalarType } from "./types.ts";
import { scalarOfValue, scalarValue, type ScalarValue, type Value } from "./values.ts";

/** The error function, to about 1e-12: a series near 0, a continued fraction further out. */
export function errorFunction(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  return Math.sign(x) * (1 - complementTail(size));
}

function complementTail(x: number): number {
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
}

function complement(x: number): number {
  return x > 2 ? complementTail(x) : 1 - errorFunction(x);
}

/** The nearest whole number, halves to even. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function roundAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

const unary: Readonly<Record<string, (x: number) => number>> = {
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  exp10: (x) => 10 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  rcp: (x) => 1 / x,
  cbrt: Math.cbrt,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  sinpi: (x) => Math.sin(Math.PI * x),
  cospi: (x) => Math.cos(Math.PI * x),
  fabs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  rint: roundEven,
  nearbyint: roundEven,
  round: roundAway,
  erf: errorFunction,
  erfc: complement,
  normcdf: (x) => complement(-x / Math.SQRT2) / 2,
  saturate: (x) => (x > 0 ? Math.min(1, x) : 0),
};

const binary: Readonly<Record<string, (x: number, y: number) => number>> = {
  fmax: (x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.max(x, y)),
  fmin: (x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.min(x, y)),
  pow: (x, y) => x ** y,
  fmod: (x, y) => x % y,
  fdivide: (x, y) => x / y,
  fdiv: (x, y) => x / y,
  fadd: (x, y) => x + y,
  fsub: (x, y) => x - y,
  fmul: (x, y) => x * y,
  dadd: (x, y) => x + y,
  dmul: (x, y) => x * y,
  copysign: (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x)),
  fdim: (x, y) => Math.max(0, x - y),
  hypot: Math.hypot,
  atan2: Math.atan2,
};

/** Lanes of an argument as a floating type. */
export function argument(given: readonly Value[], index: number, type: ScalarType): Lanes {
  const value = scalarOfValue(given[index]);
  if (value.type.kind === "pointer") throw new Mistyped("a pointer where a number is needed");
  return convertLanes(value.lanes, value.type, type);
}

function floatingOf(given: readonly Value[]): ScalarName {
  const types = given.map((value) => scalarOfValue(value).type).filter((type) => type.kind === "scalar");
  const common = types.reduce((a, b) => commonType(a, b), types[0] ?? scalarType("f64"));
  return isFloating(common) ? common.name : "f64";
}

function unaryOn(operation: (x: number) => number, fixed?: ScalarName): Intrinsic {
  return (_run, given) => {
    const name = fixed ?? floatingOf(given);
    const round = fit[name];
    return scalarValue(
      mapLanes(argument(given, 0, scalarType(name)), (x) => round(operation(x))),
      name,
    );
  };
}

function binaryOn(operation: (x: number, y: number) => number, fixed?: ScalarName): Intrinsic {
  return (_run, given) => {
    const name = fixed ?? floatingOf(given);
    const type = scalarType(name);
    const round = fit[name];
    const lanes = zipLanes(argument(given, 0, type), argument(given, 1, type), (x, y) => round(operation(x, y)));
    return scalarValue(lanes, name);
  };
}

function fusedOn(fixed?: ScalarName): Intrinsic {
  return (_run, given) => {
    const name = fixed ?? floatingOf(given);
    const type = scalarType(name);
    const round = fit[name];
    if (name === "f32") {
      const [a, b, c] = [argument(given, 0, type), argument(given, 1, type), argument(given, 2, type)];
      return scalarValue(fuseFloats(a, b, c), name);
    }
    const product = zipLanes(argument(given, 0, type), argument(given, 1, type), (x, y) => x * y);
    return scalarValue(
      zipLanes(product, argument(given, 2, type), (x, y) => round(x + y)),
      name,
    );
  };
}

/** `min`, `max`, `abs` of any arithmetic type. */
function generic(operation: (x: number, y: number) => number): Intrinsic {
  return (_run, given) => {
    const [a, b] = [scalarOfValue(given[0]), scalarOfValue(given[1])];
    if (a.type.kind === "pointer" || b.type.kind === "pointer") throw new Mistyped("the smaller of pointers");
    const type = commonType(a.type, b.type);
    const lanes = zipLanes(convertLanes(a.lanes, a.type, type), convertLanes(b.lanes, b.type, type), operation);
    return { kind: "scalar", type, lanes };
  };
}

function absolute(_run: unknown, given: readonly Value[]): ScalarValue {
  const value = scalarOfValue(given[0]);
  return { ...value, lanes: mapLanes(value.lanes, Math.abs) };
}

function sineAndCosine(turn: number): Intrinsic {
  return (run, given) => {
    const angle = argument(given, 0, scalarType("f32"));
    const [sine, cosine] = [given[1], given[2]].map((pointer) => scalarOfValue(pointer).lanes);
    run.machine.store(
      scalarType("f32"),
      sine as Lanes,
      mapLanes(angle, (x) => Math.sin(turn * x)),
    );
    run.machine.store(
      scalarType("f32"),
      cosine as Lanes,
      mapLanes(angle, (x) => Math.cos(turn * x)),
    );
    run.changes++;
    return scalarValue(0, "void");
  };
}

function entries(): (readonly [string, Intrinsic])[] {
  const found: (readonly [string, Intrinsic])[] = [];
  for (const [name, operation] of Object.entries(unary)) {
    found.push([name, unaryOn(operation)], [`${name}f`, unaryOn(operation, "f32")]);
    found.push([`__${name}f`, unaryOn(operation, "f32")]);
    for (const mode of ["rn", "rz", "ru", "rd"]) found.push([`__f${name}_${mode}`, unaryOn(operation, "f32")]);
  }
  for (const [name, operation] of Object.entries(binary)) {
    found.push([name, binaryOn(operation)], [`${name}f`, binaryOn(operation, "f32")]);
    found.push([`__${name}f`, binaryOn(operation, "f32")]);
    for (const mode of ["rn", "rz", "ru", "rd"]) found.push([`__${name}_${mode}`, binaryOn(operation, "f32")]);
  }
  return found;
}

export const floatIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ...entries(),
  ["fma", fusedOn()],
  ["fmaf", fusedOn("f32")],
  ["__fmaf_rn", fusedOn("f32")],
  ["__fmaf_rz", fusedOn("f32")],
  ["min", generic(Math.min)],
  ["max", generic(Math.max)],
  ["umin", generic(Math.min)],
  ["umax", generic(Math.max)],
  ["abs", absolute],
  ["sincosf", sineAndCosine(1)],
  ["__sincosf", sineAndCosine(1)],
  ["sincospif", sineAndCosine(Math.PI)],
  [
    "isnan",
    (_run, given) =>
      scalarValue(
        mapLanes(scalarOfValue(given[0]).lanes, (x) => (Number.isNaN(x) ? 1 : 0)),
        "bool",
      ),
  ],
  [
    "isinf",
    (_run, given) =>
      scalarValue(
        mapLanes(scalarOfValue(given[0]).lanes, (x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? 1 : 0)),
        "bool",
      ),
  ],
]);
