import {
  at,
  firstLoopPoint,
  lanesPerWarp,
  nextBlockPoints,
  nextWarpPoint,
  warpPoints,
  type Lanes,
  type LaunchShape,
} from "./lanes.ts";
import { requestShape, sectorBytes, sharedWavefronts, type RequestShape } from "./memory-access.ts";
import { accessCounter, noOperations, type GlobalSite, type LaunchProfile, type OperationName } from "./profile.ts";
import type { PointerValue } from "./values.ts";

/** A loop around the place being read: its depth, average trips, and whether its iterations overlap. */
export interface ActiveLoop {
  readonly depth: number;
  readonly trips: number;
  readonly unrolled: boolean;
}

/** Where execution stands: how often a warp passes here, which lanes take part, and the loops around. */
export interface Position {
  readonly weight: number;
  /** 0: the lane does not take part; 1: it does; NaN: unknown, counted as taking part. Undefined: all do. */
  readonly mask: Lanes | undefined;
  readonly loops: readonly ActiveLoop[];
}

/** The most frequent wait of a loop, and the loops around it. */
interface Wait {
  readonly issues: number;
  readonly loops: readonly ActiveLoop[];
}

export interface AccessKind {
  readonly write: boolean;
  readonly atomic?: boolean;
  readonly asynchronous?: boolean;
}

/** Adds up what a launch does. */
export class Recorder {
  readonly operations: Record<OperationName, number> = noOperations();
  readonly sites: GlobalSite[] = [];
  readonly shape: LaunchShape;
  readonly threads: number;
  readonly warps: number;
  matrixFlops = 0;
  wavefronts = 0;
  conflicts = 0;
  staticSharedBytes = 0;
  localBytes = 0;
  loops = 0;
  deepest = 0;
  unknownLoops = 0;
  readonly #waits = {
    global: new Map<ActiveLoop | undefined, Wait>(),
    shared: new Map<ActiveLoop | undefined, Wait>(),
  };
  readonly #places: {
    readonly loop: ActiveLoop | undefined;
    readonly buffer: string;
    readonly write: boolean;
    readonly place: number;
  }[] = [];
  readonly #stepwise = new Set<ActiveLoop>();
  readonly #locals = new Map<string, { readonly bytes: number; readonly traffic: number; readonly varies: boolean }>();
  outOfBounds = 0;
  unresolved = 0;
  unseen = false;

  constructor(shape: LaunchShape) {
    this.shape = shape;
    this.threads = shape.block[0] * shape.block[1] * shape.block[2];
    this.warps = Math.ceil(this.threads / lanesPerWarp);
  }

  /** True when a lane of the two warps looked at takes part. */
  active(position: Position, point: number): boolean {
    if (point % lanesPerWarp >= this.threads) return false;
    return position.mask === undefined || at(position.mask, point) !== 0;
  }

  /** Average over the block's warps of a figure known for its first and a middle one. */
  overWarps(figure: (firstPoint: number) => number): number {
    const share = 1 / this.warps;
    return this.warps === 1 ? figure(0) : share * figure(0) + (1 - share) * figure(lanesPerWarp);
  }

  /** How often the average warp issues an instruction at a position. */
  issues(position: Position): number {
    if (position.mask === undefined) return position.weight;
    return position.weight * this.overWarps((first) => (this.#anyActive(position, first) ? 1 : 0));
  }

  #anyActive(position: Position, first: number): boolean {
    for (let point = first; point < first + lanesPerWarp; point++) if (this.active(position, point)) return true;
    return false;
  }

  count(position: Position, name: OperationName, amount = 1): void {
    this.operations[name] += amount * this.issues(position);
  }

  /** One access through a pointer, `bytes` wide per lane. */
  access(position: Position, pointer: PointerValue, bytes: number, kind: AccessKind): void {
    const issues = this.issues(position);
    if (issues === 0) return;
    if (pointer.space === "local") {
      this.#accessLocal(position, pointer, bytes, issues);
      return;
    }
    if (pointer.space === "shared") this.#accessShared(position, pointer, bytes, kind, issues);
    else this.#accessGlobal(position, pointer, bytes, kind, issues);
    if (this.#leavesBuffer(position, pointer, bytes)) this.outOfBounds++;
    if (!kind.write && !kind.asynchronous) this.#depend(position, pointer.space, issues);
  }

  /** Accesses of one iteration overlap: of a loop's only the most frequent one counts. */
  #depend(position: Position, space: "global" | "shared", issues: number): void {
    const waits = this.#waits[space];
    const loop = position.loops.at(-1);
    if (issues > (waits.get(loop)?.issues ?? 0)) waits.set(loop, { issues, loops: [...position.loops] });
  }

  /** A loop whose iterations meet at barriers is not run several iterations at a time. */
  barrier(position: Position): void {
    for (const loop of position.loops) this.#stepwise.add(loop);
  }

  /** An array whose index depends on the lane, on data or on a loop that is not unrolled lies on the stack. */
  #accessLocal(position: Position, pointer: PointerValue, bytes: number, issues: number): void {
    const first = at(pointer.offset, 0);
    const varies =
      Number.isNaN(first) ||
      first !== at(pointer.offset, 1) ||
      position.loops.some(({ depth, unrolled }) => !unrolled && at(pointer.offset, firstLoopPoint + depth) !== first);
    const { distinctAddresses } = requestShape(pointer.offset, bytes, 0, (point) => this.active(position, point));
    const known = this.#locals.get(pointer.buffer) ?? { bytes: pointer.bufferBytes, traffic: 0, varies: false };
    this.#locals.set(pointer.buffer, {
      ...known,
      traffic: known.traffic + issues * bytes * stackSpread(distinctAddresses),
      varies: known.varies || varies,
    });
  }

  #leavesBuffer(position: Position, pointer: PointerValue, bytes: number): boolean {
    for (let point = 0; point < warpPoints; point++) {
      const start = at(pointer.offset, point);
      if (this.active(position, point) && (start < 0 || start + bytes > pointer.bufferBytes)) return true;
    }
    return false;
  }

  #accessShared(position: Position, pointer: PointerValue, bytes: number, kind: AccessKind, issues: number): void {
    const counter = kind.atomic ? "sharedAtomic" : accessCounter("shared", kind.write);
    if (counter) this.operations[counter] += issues;
    const isActive = (point: number): boolean => this.active(position, point);
    const passes = this.overWarps((first) => sharedWavefronts(pointer.offset, bytes, first, isActive));
    const ideal = this.overWarps((first) => idealWavefronts(bytes, isActive, first));
    this.wavefronts += position.weight * passes;
    this.conflicts += position.weight * Math.max(0, passes - ideal);
  }

  #accessGlobal(position: Position, pointer: PointerValue, bytes: number, kind: AccessKind, issues: number): void {
    const counter = kind.atomic
      ? "globalAtomic"
      : kind.asynchronous
        ? "asyncCopy"
        : accessCounter("global", kind.write);
    if (counter) this.operations[counter] += issues;
    const isActive = (point: number): boolean => this.active(position, point);
    const typical = requestShape(pointer.offset, bytes, this.warps > 1 ? lanesPerWarp : 0, isActive);
    const first = requestShape(pointer.offset, bytes, 0, isActive);
    const request = typical.activeLanes > 0 ? typical : first;
    const sectors = this.overWarps((point) => (point === 0 ? first : typical).sectors.length);
    const repeat = (point: number, steps: number): number =>
      Math.min(steps, growth(request, Math.abs(at(pointer.offset, point) - at(pointer.offset, 0)), steps));
    const loops = position.loops
      .map(({ depth, trips }) => ({
        trips: Math.max(1, trips),
        growth: repeat(firstLoopPoint + depth, Math.max(1, trips)),
      }))
      .toReversed();
    const warpGrowth = repeat(nextWarpPoint, this.warps);
    const blockSectors = loops.reduce((product, loop) => product * loop.growth, sectors * warpGrowth);
    const gridSectors = this.shape.grid.reduce(
      (product, extent, axis) => product * repeat(nextBlockPoints[axis] as number, extent),
      blockSectors,
    );
    const bufferSectors = Math.ceil(pointer.bufferBytes / sectorBytes);
    this.sites.push({
      repeated: this.#isRepeated(position, pointer, kind.write),
      buffer: pointer.buffer,
      write: kind.write,
      atomic: kind.atomic ?? false,
      asynchronous: kind.asynchronous ?? false,
      bytes,
      issues,
      sectors,
      requestedBytes: this.overWarps((point) => (point === 0 ? first : typical).activeLanes) * bytes,
      loops,
      warpGrowth,
      blockSectors,
      gridSectors: Math.min(gridSectors, bufferSectors),
      bufferSectors,
      known: request.known,
      activeLanes: request.activeLanes,
      distinctAddresses: request.distinctAddresses,
    });
  }

  /** True where an access of the same iteration lies less than a sector away. */
  #isRepeated(position: Position, pointer: PointerValue, write: boolean): boolean {
    const place = at(pointer.offset, 0);
    const loop = position.loops.at(-1);
    const before = this.#places.some(
      (other) =>
        other.loop === loop &&
        other.buffer === pointer.buffer &&
        other.write === write &&
        Math.abs(other.place - place) < sectorBytes,
    );
    this.#places.push({ loop, buffer: pointer.buffer, write, place });
    return before;
  }

  #waiting(space: "global" | "shared"): number {
    return [...this.#waits[space].values()].reduce((sum, { issues, loops }) => sum + issues / this.#overlap(loops), 0);
  }

  /** Iterations of the innermost loops that run together: unrolled, and not held up by a barrier; at most eight. */
  #overlap(loops: readonly ActiveLoop[]): number {
    let together = 1;
    for (const loop of loops.toReversed()) {
      if (this.#stepwise.has(loop)) break;
      together *= Math.max(1, loop.unrolled ? loop.trips : unaskedUnrolling);
      if (!loop.unrolled) break;
    }
    return Math.min(mostTogether, together);
  }

  finish(dynamicSharedBytes: number, complete: boolean): LaunchProfile {
    const [x, y, z] = this.shape.grid;
    const onStack = [...this.#locals.values()].filter(({ varies }) => varies);
    return {
      threadsPerBlock: this.threads,
      warpsPerBlock: this.warps,
      blocks: x * y * z,
      operations: this.operations,
      matrixFlops: this.matrixFlops,
      globalSites: this.sites,
      sharedWavefronts: this.wavefronts,
      sharedConflicts: this.conflicts,
      staticSharedBytes: this.staticSharedBytes,
      dynamicSharedBytes,
      localBytes: this.localBytes,
      stackBytes: onStack.reduce((sum, { bytes }) => sum + bytes, 0),
      stackTraffic: onStack.reduce((sum, { traffic }) => sum + traffic, 0),
      loops: this.loops,
      deepestLoop: this.deepest,
      unknownLoops: this.unknownLoops,
      dependentLoads: this.#waiting("global"),
      dependentShared: this.#waiting("shared"),
      outOfBounds: this.outOfBounds,
      unresolved: this.unresolved,
      unseen: this.unseen,
      complete,
    };
  }
}

function idealWavefronts(bytes: number, active: (point: number) => boolean, first: number): number {
  let lanes = 0;
  for (let point = first; point < first + lanesPerWarp; point++) if (active(point)) lanes++;
  return lanes === 0 ? 0 : Math.max(1, Math.ceil((lanes * bytes) / 128));
}

/** Stack arrays are interleaved by lane: lanes at different indices touch a sector each instead of one for eight. */
function stackSpread(distinctIndices: number): number {
  return Math.min(lanesPerWarp, Math.max(4, distinctIndices)) / 4;
}

/** Iterations that a compiler runs together in a loop that nothing says to unroll. */
const unaskedUnrolling = 4;

const mostTogether = 8;

/** Factor by which steps of a stride, in bytes, enlarge what a request touches; 1 where what was fetched serves again. */
function growth(request: RequestShape, stride: number, trips: number): number {
  if (stride === 0 || trips <= 1) return 1;
  if (Number.isNaN(stride)) return trips;
  const footprint = request.sectors.length * sectorBytes;
  const dense = request.span <= footprint + sectorBytes;
  return dense ? 1 + ((trips - 1) * stride) / footprint : Math.max(1, (trips * stride) / sectorBytes);
}
