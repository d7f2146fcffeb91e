import { at, lanesPerWarp, type Lanes } from "./lanes.ts";

export const sectorBytes = 32;

/** How one request of a warp falls on memory. */
export interface RequestShape {
  /** Distinct 32-byte sectors, and the bytes from the lowest to the highest address. */
  readonly sectors: readonly number[];
  readonly span: number;
  readonly activeLanes: number;
  readonly distinctAddresses: number;
  readonly known: boolean;
}

const unknownRequest: RequestShape = {
  sectors: Array.from({ length: 16 }, (_, index) => -1 - index),
  span: Number.POSITIVE_INFINITY,
  activeLanes: lanesPerWarp,
  distinctAddresses: lanesPerWarp,
  known: false,
};

/** Shape of the request of the warp whose first point is given; `active` tells which lanes take part. */
export function requestShape(
  offset: Lanes,
  bytes: number,
  firstPoint: number,
  active: (point: number) => boolean,
): RequestShape {
  const addresses = new Set<number>();
  let activeLanes = 0;
  for (let point = firstPoint; point < firstPoint + lanesPerWarp; point++) {
    if (!active(point)) continue;
    activeLanes++;
    addresses.add(at(offset, point));
  }
  if ([...addresses].some(Number.isNaN)) return { ...unknownRequest, activeLanes };
  const sectors = new Set<number>();
  for (const address of addresses) {
    for (let byte = 0; byte < bytes; byte += sectorBytes) sectors.add(Math.floor((address + byte) / sectorBytes));
    sectors.add(Math.floor((address + bytes - 1) / sectorBytes));
  }
  const sorted = [...addresses].sort((a, b) => a - b);
  const span = sorted.length === 0 ? 0 : (sorted.at(-1) as number) - (sorted[0] as number) + bytes;
  return { sectors: [...sectors], span, activeLanes, distinctAddresses: addresses.size, known: true };
}

/**
 * Passes through shared memory that one request of a warp takes: 32 banks of four bytes; wide accesses go in halves or
 * quarters of a warp; lanes that read the same word share it. Unknown addresses count as a random gather.
 */
export function sharedWavefronts(
  offset: Lanes,
  bytes: number,
  firstPoint: number,
  active: (point: number) => boolean,
): number {
  const words = Math.max(1, Math.ceil(bytes / 4));
  const lanesPerPhase = Math.max(1, Math.floor(lanesPerWarp / words));
  let wavefronts = 0;
  for (let phase = 0; phase < lanesPerWarp; phase += lanesPerPhase) {
    wavefronts += phaseWavefronts(offset, words, firstPoint + phase, lanesPerPhase, active);
  }
  return wavefronts;
}

function phaseWavefronts(
  offset: Lanes,
  words: number,
  firstPoint: number,
  lanes: number,
  active: (point: number) => boolean,
): number {
  const banks = new Map<number, Set<number>>();
  for (let point = firstPoint; point < firstPoint + lanes; point++) {
    if (!active(point)) continue;
    const address = at(offset, point);
    if (Number.isNaN(address)) return 3;
    for (let word = 0; word < words; word++) {
      const place = Math.floor(address / 4) + word;
      const bank = banks.get(place % 32) ?? new Set();
      banks.set(place % 32, bank.add(place));
    }
  }
  return Math.max(0, ...[...banks.values()].map((bank) => bank.size));
}
