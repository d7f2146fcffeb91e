import { on } from "../kit/code.ts";
import { copyQuads, lanePlan, states, stateStep, tileLoop, transposedSum, type Exponent } from "./parts.ts";

export interface Walk {
  readonly lanes: number;
  readonly outer: boolean;
  readonly reduce: "each" | "transposed";
  readonly store: "direct" | "tile";
  readonly quads: boolean;
  readonly exponent: Exponent;
  readonly asynchronous: boolean;
  readonly unroll: boolean;
  readonly steps: number;
  readonly block: number;
}

/** Shared memory of a walk that gives results. */
export function walkBytes(o: Walk): number {
  const group = o.block / o.lanes;
  return 4 * o.steps * ((o.asynchronous ? 2 : 1) * (2 * group + 2 * states) + (o.store === "tile" ? group : 0));
}

function fetchTile(o: Walk, emit: boolean): (buffer: string, tile: string) => string {
  return (buffer, tile) => {
    const row = (which: "b" | "c"): string =>
      copyQuads(
        "THREADS",
        "STEPS * STATES / 4",
        `rows_${which}[${buffer}][4 * i]`,
        `${which}[(first + ${tile} * STEPS) * STATES + 4 * i]`,
        o.asynchronous,
      );
    const column = (which: "x" | "delta"): string =>
      copyQuads(
        "THREADS",
        "STEPS * GROUP / 4",
        `tile_${which}[${buffer}][4 * i]`,
        `${which}[(first + ${tile} * STEPS + i / (GROUP / 4)) * CHANNELS + c0 + i % (GROUP / 4) * 4]`,
        o.asynchronous,
      );
    return `${row("b")}\n${on(emit, row("c"))}\n${column("x")}\n${column("delta")}`;
  };
}

function steps(o: Walk, buffer: string, emit: boolean): string {
  const { unit } = lanePlan(o.lanes, o.outer);
  const transposed = emit && o.reduce === "transposed" && o.lanes > 1;
  const update = (s: string): string => `const float in = tile_x[${buffer}][(${s}) * GROUP + own];
    const float step = tile_delta[${buffer}][(${s}) * GROUP + own];
    const float gain = step * in;
    ${on(emit, "float acc = 0.0f;", "total += step;")}
    ${stateStep({
      exponent: o.exponent,
      count: "OWN",
      quads: o.quads,
      rate: (n) => `rate[${n}]`,
      h: (n) => `h[${n}]`,
      b: (n) => `rows_b[${buffer}][(${s}) * STATES + part * OWN + ${n}]`,
      ...(emit ? { c: (n: string) => `rows_c[${buffer}][(${s}) * STATES + part * OWN + ${n}]` } : {}),
    })}`;
  const result = (s: string, value: string): string =>
    o.store === "tile"
      ? `tile_y[(${s}) * GROUP + own] = ${value};`
      : `y[(first + tile * STEPS + ${s}) * CHANNELS + c0 + own] = ${value};`;
  if (transposed)
    return `${on(o.unroll, "#pragma unroll 2\n")}for (int s0 = 0; s0 < STEPS; s0 += ${o.lanes}) {
      float sums[${o.lanes}];
      #pragma unroll
      for (int k = 0; k < ${o.lanes}; ++k) {
        ${update("s0 + k")}
        sums[k] = acc;
      }
      ${transposedSum(o.lanes, unit)}
      ${result("s0 + part", `sums[0] + through * tile_x[${buffer}][(s0 + part) * GROUP + own]`)}
    }`;
  const rounds: string[] = [];
  for (let offset = o.lanes / 2; offset >= 1; offset /= 2)
    rounds.push(`acc += __shfl_xor_sync(0xffffffffu, acc, ${offset * unit});`);
  return `${on(o.unroll, "#pragma unroll 4\n")}for (int s = 0; s < STEPS; ++s) {
    ${update("s")}
    ${on(emit, `${rounds.join("\n")}\n${on(o.lanes > 1, "if (part == 0) ")}${result("s", "acc + through * in")}`)}
  }`;
}

/** A walk through `time` steps from row `first` on, for a block's channels c0 ... c0 + GROUP - 1, `part` of the states each. */
export function stagedWalk(o: Walk & { time: string; emit: boolean }): { shared: string; loop: string } {
  const buffers = o.asynchronous ? 2 : 1;
  const tiled = o.emit && o.store === "tile";
  const flush = `__syncthreads();
    ${copyQuads("THREADS", "STEPS * GROUP / 4", "y[(first + tile * STEPS + i / (GROUP / 4)) * CHANNELS + c0 + i % (GROUP / 4) * 4]", "tile_y[4 * i]", false)}`;
  return {
    shared: `__shared__ __align__(16) float rows_b[${buffers}][STEPS * STATES]${on(o.emit, `, rows_c[${buffers}][STEPS * STATES]`)};
      __shared__ __align__(16) float tile_x[${buffers}][STEPS * GROUP], tile_delta[${buffers}][STEPS * GROUP];
      ${on(tiled, "__shared__ __align__(16) float tile_y[STEPS * GROUP];")}`,
    loop: tileLoop(
      `${o.time} / STEPS`,
      o.asynchronous,
      fetchTile(o, o.emit),
      (buffer) => `${steps(o, buffer, o.emit)}\n${on(tiled, flush)}`,
    ),
  };
}
