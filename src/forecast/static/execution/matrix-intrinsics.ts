import type { Expression } from "../analysis/ast.ts";
import { laneOf, lanesFrom, zeroLanes, type Lanes } from "./lanes.ts";
import { placeOf, placeType } from "./places.ts";
import { fit, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import type { Fragment, ScalarType } from "./types.ts";
import { noValue, scalarOfValue, type Scope, type Value } from "./values.ts";
import { needWarps } from "./warp-intrinsics.ts";

const lanesPerWarp = 32;

/** A fragment in memory: element `i` of lane `l` is element `32 i + l` of the matrix, row by row. */
interface Held extends Fragment {
  readonly element: ScalarType;
  readonly address: number;
}

type Matrix = (run: Run, given: readonly Expression[], scope: Scope) => Value;

function fragmentOf(run: Run, expression: Expression | undefined, scope: Scope): Held {
  needWarps(run);
  const place = expression && placeOf(run, expression, scope);
  const type = place && placeType(place);
  if (place?.kind !== "memory" || type?.kind !== "record" || !type.fragment)
    throw new Unsupported("a fragment is missing");
  const share = type.fields[0]?.type;
  if (share?.kind !== "array" || share.of.kind !== "scalar") throw new Unsupported("a fragment of this type");
  const address = run.machine.uniform(place.address, "a fragment's place");
  return { ...type.fragment, element: share.of, address };
}

function numbers(run: Run, expression: Expression | undefined, scope: Scope): Lanes {
  if (!expression) throw new Unsupported("an argument left out");
  return scalarOfValue(run.evaluate(expression, scope)).lanes;
}

const fillFragment: Matrix = (run, given, scope) => {
  const held = fragmentOf(run, given[0], scope);
  const value = numbers(run, given[1], scope);
  const count = Math.ceil((held.rows * held.columns) / lanesPerWarp);
  for (let index = 0; index < count; index++) {
    run.machine.store(held.element, held.address + index * held.element.bytes, value);
  }
  run.changes++;
  return noValue;
};

/** Addresses in memory of element `index` of every lane of a fragment. */
function elementAddresses(
  run: Run,
  held: Held,
  index: number,
  base: Lanes,
  pitch: number,
  columnMajor: boolean,
): Lanes {
  const { width, warpStart } = run.machine;
  const result = zeroLanes(width);
  for (let lane = 0; lane < width; lane++) {
    const place = index * lanesPerWarp + lane - (warpStart[lane] as number);
    const row = Math.floor(place / held.columns);
    const column = place % held.columns;
    const at = columnMajor ? column * pitch + row : row * pitch + column;
    result[lane] = laneOf(base, warpStart[lane] as number) + at * held.element.bytes;
  }
  return result;
}

function layoutOf(run: Run, held: Held, expression: Expression | undefined, scope: Scope): boolean {
  return expression ? run.machine.uniform(numbers(run, expression, scope), "a layout") === 1 : held.columnMajor;
}

function moves(toFragment: boolean): Matrix {
  return (run, given, scope) => {
    const held = fragmentOf(run, given[toFragment ? 0 : 1], scope);
    const base = numbers(run, given[toFragment ? 1 : 0], scope);
    const pitch = run.machine.uniform(numbers(run, given[2], scope), "a pitch");
    const columnMajor = layoutOf(run, held, given[3], scope);
    const count = (held.rows * held.columns) / lanesPerWarp;
    for (let index = 0; index < count; index++) {
      const outside = elementAddresses(run, held, index, base, pitch, columnMajor);
      const inside = held.address + index * held.element.bytes;
      const [from, to] = toFragment ? [outside, inside] : [inside, outside];
      run.machine.store(held.element, to, run.machine.load(held.element, from));
    }
    run.changes++;
    return noValue;
  };
}

/** The matrix that each warp's lanes hold, one behind the other. */
function gather(run: Run, held: Held): Float64Array {
  const count = (held.rows * held.columns) / lanesPerWarp;
  const { width, warpStart } = run.machine;
  const result = new Float64Array((width / lanesPerWarp) * held.rows * held.columns);
  for (let index = 0; index < count; index++) {
    const lanes = run.machine.load(held.element, held.address + index * held.element.bytes);
    for (let lane = 0; lane < width; lane++) {
      const start = warpStart[lane] as number;
      result[start * count + index * lanesPerWarp + lane - start] = laneOf(lanes, lane);
    }
  }
  return result;
}

const multiply: Matrix = (run, given, scope) => {
  const [d, a, b, c] = [0, 1, 2, 3].map((index) => fragmentOf(run, given[index], scope)) as [Held, Held, Held, Held];
  const { machine } = run;
  if (machine.width % lanesPerWarp !== 0) throw new Unsupported("a part of a warp with fragments");
  machine.step((machine.width / lanesPerWarp) * a.rows * a.columns * b.columns);
  const [x, y, z] = [gather(run, a), gather(run, b), gather(run, c)];
  const product = multiplyAll(x, y, z, machine.width / lanesPerWarp, [a.rows, b.columns, a.columns]);
  const round = fit[d.element.name];
  const count = (d.rows * d.columns) / lanesPerWarp;
  for (let index = 0; index < count; index++) {
    const lanes = lanesFrom(machine.width, (lane) => {
      const start = machine.warpStart[lane] as number;
      return round(product[start * count + index * lanesPerWarp + lane - start] as number);
    });
    machine.store(d.element, d.address + index * d.element.bytes, lanes);
  }
  run.changes++;
  return noValue;
};

/** `a × b + c` for each warp. */
export function multiplyAll(
  a: Float64Array,
  b: Float64Array,
  c: Float64Array,
  warps: number,
  [m, n, k]: readonly [number, number, number],
): Float64Array {
  const result = c.slice();
  for (let warp = 0; warp < warps; warp++) {
    for (let row = 0; row < m; row++) {
      for (let inner = 0; inner < k; inner++) {
        const factor = a[warp * m * k + row * k + inner] as number;
        if (factor === 0) continue;
        const from = warp * k * n + inner * n;
        const to = warp * m * n + row * n;
        for (let column = 0; column < n; column++) {
          result[to + column] = (result[to + column] as number) + factor * (b[from + column] as number);
        }
      }
    }
  }
  return result;
}

/** Functions whose arguments are fragments rather than values. */
export const matrixIntrinsics: ReadonlyMap<string, Matrix> = new Map([
  ["fill_fragment", fillFragment],
  ["load_matrix_sync", moves(true)],
  ["store_matrix_sync", moves(false)],
  ["mma_sync", multiply],
]);
