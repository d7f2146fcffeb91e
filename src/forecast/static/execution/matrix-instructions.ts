import type { Instruction } from "./assembly.ts";
import { laneOf, lanesFrom, zeroLanes, type Lanes } from "./lanes.ts";
import { multiplyAll } from "./matrix-intrinsics.ts";
import { brainOf, floatOf, halfOf, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { scalarType } from "./types.ts";
import { needWarps } from "./warp-intrinsics.ts";

const lanesPerWarp = 32;

/** `ldmatrix`: lane `8 i + r` gives the address of row `r` of matrix `i`; lane `l` gets two halves of row `l / 4`. */
export function loadMatrices({ run, name, operands, read, write }: Instruction): void {
  needWarps(run);
  const count = Number(/\.x([124])/.exec(name)?.[1] ?? 1);
  const turned = name.includes(".trans");
  const rows = run.machine.fromShared(read(operands.length - 1));
  const { machine } = run;
  for (let matrix = 0; matrix < count; matrix++) {
    const addressOf = (lane: number, row: number): number =>
      laneOf(rows, (machine.warpStart[lane] as number) + 8 * matrix + row);
    const places = (low: boolean): Float64Array =>
      lanesFrom(machine.width, (lane) => {
        const within = lane % lanesPerWarp;
        const [major, minor] = [Math.floor(within / 4), 2 * (within % 4) + (low ? 0 : 1)];
        return turned ? addressOf(lane, minor) + 2 * major : addressOf(lane, major) + 2 * minor;
      });
    const low = machine.load(scalarType("u16"), places(true));
    const high = machine.load(scalarType("u16"), places(false));
    write(matrix, join(machine.width, low, high), "u32");
  }
}

function join(width: number, low: Lanes, high: Lanes): Float64Array {
  return lanesFrom(width, (lane) => laneOf(low, lane) + 65_536 * laneOf(high, lane));
}

/** How the elements of one kind of input lie in registers. */
interface Packing {
  readonly perRegister: number;
  readonly unpack: (register: number, index: number) => number;
}

const packings: Readonly<Record<string, Packing>> = {
  f16: { perRegister: 2, unpack: (register, index) => halfOf((register >>> (16 * index)) & 65_535) },
  bf16: { perRegister: 2, unpack: (register, index) => brainOf((register >>> (16 * index)) & 65_535) },
  tf32: { perRegister: 1, unpack: (register) => floatOf(register) },
  s8: { perRegister: 4, unpack: (register, index) => (register << (24 - 8 * index)) >> 24 },
  u8: { perRegister: 4, unpack: (register, index) => (register >>> (8 * index)) & 255 },
};

/**
 * `mma.sync` of 16 × 8 outputs. Lane `l` holds rows `l / 4` and `l / 4 + 8`; of the inner dimension the elements that its
 * place among four takes in each group of four registers' worth.
 */
export function multiplyRegisters({ run, name, operands, read, write }: Instruction): void {
  needWarps(run);
  const shape = /m16n8k(\d+)\.row\.col\.(f32|f16|s32)\.(\w+)\.(\w+)\.(f32|f16|s32)$/.exec(name);
  const packing = packings[shape?.[3] ?? ""];
  const other = packings[shape?.[4] ?? ""];
  if (!shape || !packing || !other || shape[2] === "f16" || operands.length < 4) {
    throw new Unsupported(`the instruction ${name}`);
  }
  const k = Number(shape[1]);
  const { machine } = run;
  const warps = machine.width / lanesPerWarp;
  if (!Number.isInteger(warps)) throw new Unsupported("a part of a warp with matrices");
  machine.step(warps * 16 * 8 * k);
  const aRegisters = (16 * k) / lanesPerWarp / packing.perRegister;
  const bRegisters = (8 * k) / lanesPerWarp / other.perRegister;
  const registers = operands.map((_, index) => (index < 4 ? 0 : read(index)));
  const a = spread(run, registers.slice(4, 4 + aRegisters), packing, k, true);
  const b = spread(run, registers.slice(4 + aRegisters, 4 + aRegisters + bRegisters), other, k, false);
  const c = new Float64Array(warps * 128);
  eachOutput(machine.width, (lane, index, place) => {
    c[place] = laneOf(registers[4 + aRegisters + bRegisters + index] as Lanes, lane);
  });
  const product = multiplyAll(a, b, c, warps, [16, 8, k]);
  const results = [0, 1, 2, 3].map(() => zeroLanes(machine.width));
  const floating = shape[2] === "f32";
  eachOutput(machine.width, (lane, index, place) => {
    const value = product[place] as number;
    (results[index] as Float64Array)[lane] = floating ? Math.fround(value) : value | 0;
  });
  results.forEach((lanes, index) => write(index, lanes, floating ? "f32" : "i32"));
}

function eachOutput(width: number, each: (lane: number, index: number, place: number) => void): void {
  for (let lane = 0; lane < width; lane++) {
    const within = lane % lanesPerWarp;
    const start = Math.floor(lane / lanesPerWarp) * 128;
    for (let index = 0; index < 4; index++) {
      const row = Math.floor(within / 4) + (index >= 2 ? 8 : 0);
      each(lane, index, start + row * 8 + 2 * (within % 4) + (index & 1));
    }
  }
}

/** Matrices of all warps from registers: `a` has 16 rows of k, `b` (given transposed) becomes k rows of 8. */
function spread(run: Run, registers: readonly Lanes[], packing: Packing, k: number, isA: boolean): Float64Array {
  const { width } = run.machine;
  const rows = isA ? 16 : 8;
  const result = new Float64Array((width / lanesPerWarp) * rows * k);
  for (let lane = 0; lane < width; lane++) {
    const within = lane % lanesPerWarp;
    const start = Math.floor(lane / lanesPerWarp) * rows * k;
    registers.forEach((register, index) => {
      const bits = laneOf(register, lane);
      const row = Math.floor(within / 4) + (isA && index % 2 === 1 ? 8 : 0);
      const group = isA ? Math.floor(index / 2) : index;
      for (let part = 0; part < packing.perRegister; part++) {
        const inner = group * 4 * packing.perRegister + (within % 4) * packing.perRegister + part;
        const place = isA ? row * k + inner : inner * 8 + row;
        result[start + place] = packing.unpack(bits, part);
      }
    });
  }
  return result;
}
