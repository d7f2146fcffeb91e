import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

export type RandomKey = readonly (string | number)[];

/**
 * Sixty-four pseudo-random bits of a key (seed, purpose, ids …), as a uniform in [0, 1) with 53 bits. A draw depends on
 * its key alone, never on the order of draws.
 */
export function keyedUniform(...key: RandomKey): number {
  const bytes = sha256(utf8ToBytes(JSON.stringify(key)));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return (view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)) / 2 ** 53;
}

/** A stream of uniforms in [0, 1) seeded by a key (xoshiro128**, Blackman and Vigna 2018). */
export function keyedStream(...key: RandomKey): () => number {
  const bytes = sha256(utf8ToBytes(JSON.stringify(key)));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let a = view.getUint32(0);
  let b = view.getUint32(4);
  let c = view.getUint32(8);
  let d = view.getUint32(12) | 1;
  const next = (): number => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return scrambled;
  };
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** A new array with the items in the order of a keyed permutation (Fisher–Yates). */
export function keyedShuffle<T>(items: readonly T[], ...key: RandomKey): T[] {
  const uniform = keyedStream(...key);
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(uniform() * (last + 1));
    const held = shuffled[last] as T;
    shuffled[last] = shuffled[other] as T;
    shuffled[other] = held;
  }
  return shuffled;
}
