import { keyedStream, type RecordedKernel } from "../domain/index.ts";

/** Relative chance of a kernel to come first, by its distance in the tree: the far ones are rare but never out of reach. */
const decayPerStep = 1 / 3;
const smallestWeight = 0.01;
/** A writer goes on from the parent more often than back to what it came from. */
const childFactor = 2;
/** Orders kept; a search asks the same few parents again and again. */
const keptOrders = 256;

/** Indices into the kernels, in order of proposal, for a parent. */
export type ProposalOrder = (seed: number, parentId: string) => Int32Array;

/**
 * Weighted random orders without replacement (Efraimidis and Spirakis 2006): each kernel draws −ln(u) / weight, the least
 * comes first. u is keyed by (seed, parent, kernel), the weight falls with the distance from the parent in the
 * derivation tree, whose roots hang together.
 */
export function createProposalOrder(
  kernels: readonly RecordedKernel[],
  seedId: string,
  eligible: (kernel: RecordedKernel) => boolean,
): ProposalOrder {
  const tree = createTree(kernels);
  const words = kernels.map(({ kernel }) => keyWords("propose-kernel", kernel.kernelId));
  const candidates = kernels.flatMap((kernel, index) => (eligible(kernel) ? [index] : []));
  const kept = new Map<string, Int32Array>();
  const compute = (seed: number, parentId: string): Int32Array => {
    const parent = tree.indices.get(parentId) ?? tree.indices.get(seedId) ?? 0;
    const weights = weightsFrom(tree, parent);
    const key = keyWords("propose-parent", seed, parentId);
    const priority = new Float64Array(kernels.length);
    for (const index of candidates) {
      priority[index] = -Math.log(mix(key, words[index] as Words)) / (weights[index] as number);
    }
    const order = candidates.filter((index) => kernels[index]?.kernel.kernelId !== parentId);
    return Int32Array.from(order.sort((a, b) => (priority[a] as number) - (priority[b] as number) || a - b));
  };
  return (seed, parentId) => {
    const cacheKey = `${seed}\n${parentId}`;
    const order = kept.get(cacheKey) ?? compute(seed, parentId);
    kept.delete(cacheKey);
    kept.set(cacheKey, order);
    if (kept.size > keptOrders) kept.delete(kept.keys().next().value as string);
    return order;
  };
}

interface Tree {
  readonly indices: ReadonlyMap<string, number>;
  /** Index of the parent; −1 for a root. */
  readonly parents: Int32Array;
  readonly children: readonly (readonly number[])[];
  readonly roots: readonly number[];
}

function createTree(kernels: readonly RecordedKernel[]): Tree {
  const indices = new Map(kernels.map(({ kernel }, index) => [kernel.kernelId, index]));
  const parents = Int32Array.from(kernels, ({ parentId }) => (parentId === null ? -1 : (indices.get(parentId) ?? -1)));
  const children: number[][] = kernels.map(() => []);
  const roots: number[] = [];
  parents.forEach((parent, index) => (children[parent] ?? roots).push(index));
  return { indices, parents, children, roots };
}

/** Weights by distance from `start`: breadth first over parents and children; from one root to another are two steps. */
function weightsFrom(tree: Tree, start: number): Float64Array {
  const distance = new Int32Array(tree.parents.length).fill(-1);
  const queue = [start];
  distance[start] = 0;
  let rootsReached = false;
  for (let head = 0; head < queue.length; head++) {
    const at = queue[head] as number;
    const visit = (index: number, steps: number): void => {
      if (distance[index] !== -1) return;
      distance[index] = (distance[at] as number) + steps;
      queue.push(index);
    };
    for (const child of tree.children[at] as readonly number[]) visit(child, 1);
    const parent = tree.parents[at] as number;
    if (parent >= 0) visit(parent, 1);
    else if (!rootsReached) {
      rootsReached = true;
      for (const root of tree.roots) visit(root, 2);
    }
  }
  return Float64Array.from(distance, (steps, index) => weight(steps, tree.parents[index] === start));
}

function weight(steps: number, child: boolean): number {
  const near = steps < 1 ? 0 : decayPerStep ** (steps - 1);
  return Math.max(smallestWeight, near) * (child ? childFactor : 1);
}

type Words = readonly [number, number];

function keyWords(...key: (string | number)[]): Words {
  const uniform = keyedStream(...key);
  return [uniform() * 2 ** 32, uniform() * 2 ** 32].map((word) => word >>> 0) as unknown as Words;
}

/** A uniform in (0, 1) of two keys: cheap enough to draw one for each of twenty thousand kernels per parent. */
function mix([a, b]: Words, [c, d]: Words): number {
  const high = finalise(Math.imul(a ^ c, 0x9e3779b1) ^ b);
  const low = finalise(Math.imul(b ^ d, 0x85ebca77) ^ high ^ c);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6) + 0.5) / 2 ** 53;
}

/** The finaliser of MurmurHash3 (Appleby, public domain). */
function finalise(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
