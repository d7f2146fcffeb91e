/** Slots of a sketch: shares read from two sketches err by 1/√slots or less, mostly far less. */
const slots = 128;

/**
 * A sketch of a set of hashes: for each of many orders of all hashes the one that comes first in the set. The share of slots
 * in which two sketches agree is that of hashes that their sets have in common (of those in either), up to chance.
 */
export function sketchOf(hashes: Iterable<number>): Uint32Array {
  const sketch = new Uint32Array(slots).fill(0xffffffff);
  for (const hash of hashes) {
    for (let slot = 0; slot < slots; slot++) {
      const mixed = mix(hash ^ Math.imul(slot + 1, 0x9e3779b1));
      if (mixed < (sketch[slot] as number)) sketch[slot] = mixed;
    }
  }
  return sketch;
}

/** Share of the slots in which two sketches agree, 0–1. */
export function sketchLikeness(one: Uint32Array, other: Uint32Array): number {
  let same = 0;
  for (let slot = 0; slot < one.length; slot++) if (one[slot] === other[slot]) same++;
  return same / one.length;
}

/** A bijection of 32 bits in which every bit of the argument moves every bit of the value. */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
