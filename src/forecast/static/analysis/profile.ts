import type { MemorySpace } from "./values.ts";

/** What is counted, in instructions issued per warp of the launch, averaged over its warps. */
const operationNames = [
  "f16",
  "f32",
  "f64",
  "integer",
  "division",
  "conversion",
  "special",
  "precise",
  "shuffle",
  "vote",
  "barrier",
  "warpBarrier",
  "globalLoad",
  "globalStore",
  "globalAtomic",
  "sharedLoad",
  "sharedStore",
  "sharedAtomic",
  "asyncCopy",
  "asyncWait",
  "matrix",
  "matrixLoad",
  "branch",
  "call",
] as const;

export type OperationName = (typeof operationNames)[number];

/** One access of the source to global memory, as often as it runs. */
export interface GlobalSite {
  readonly buffer: string;
  readonly write: boolean;
  readonly atomic: boolean;
  readonly asynchronous: boolean;
  /** Bytes per lane. */
  readonly bytes: number;
  /** Requests per warp. */
  readonly issues: number;
  /** Sectors per request, and bytes asked for per request. */
  readonly sectors: number;
  readonly requestedBytes: number;
  /** The loops around it, innermost first: their trips, and the factor by which these enlarge what a warp touches. */
  readonly loops: readonly { readonly trips: number; readonly growth: number }[];
  /** Factor from a warp to its block: 1 where all warps touch the same. */
  readonly warpGrowth: number;
  /** Distinct sectors that one block and the whole launch touch by it over all its iterations. */
  readonly blockSectors: number;
  readonly gridSectors: number;
  /** Size of the buffer. */
  readonly bufferSectors: number;
  readonly known: boolean;
  /** True where another access beside it has just fetched the same sectors. */
  readonly repeated: boolean;
  /** Lanes that take part in a request, and distinct addresses among them. */
  readonly activeLanes: number;
  readonly distinctAddresses: number;
}

/** What one launch does, per warp or thread, as read from the source alone. */
export interface LaunchProfile {
  readonly threadsPerBlock: number;
  readonly warpsPerBlock: number;
  readonly blocks: number;
  readonly operations: Readonly<Record<OperationName, number>>;
  /** Operations of the tensor cores per warp, a multiply-add counted as two. */
  readonly matrixFlops: number;
  readonly globalSites: readonly GlobalSite[];
  /** Passes through shared memory per warp, and those that bank conflicts add. */
  readonly sharedWavefronts: number;
  readonly sharedConflicts: number;
  readonly staticSharedBytes: number;
  readonly dynamicSharedBytes: number;
  /** Bytes of a thread's local arrays, and of those that cannot live in registers because an index varies. */
  readonly localBytes: number;
  readonly stackBytes: number;
  /** Bytes that a thread reads and writes in the latter. */
  readonly stackTraffic: number;
  readonly loops: number;
  readonly deepestLoop: number;
  readonly unknownLoops: number;
  /** Requests per warp to global and to shared memory that wait for one another; what one iteration asks for overlaps. */
  readonly dependentLoads: number;
  readonly dependentShared: number;
  /** Accesses seen to leave their buffer, and names used that nothing declares. */
  readonly outOfBounds: number;
  readonly unresolved: number;
  /** True where a launch may write more than was seen: in other iterations of a loop, or by copies that are not modelled. */
  readonly unseen: boolean;
  /** False where the source could not be read to the end. */
  readonly complete: boolean;
}

export function noOperations(): Record<OperationName, number> {
  return Object.fromEntries(operationNames.map((name) => [name, 0])) as Record<OperationName, number>;
}

/** Names of the counters of plain loads and stores by space; local memory counts nothing. */
export function accessCounter(space: MemorySpace, write: boolean): OperationName | undefined {
  if (space === "global") return write ? "globalStore" : "globalLoad";
  if (space === "shared") return write ? "sharedStore" : "sharedLoad";
  return undefined;
}
