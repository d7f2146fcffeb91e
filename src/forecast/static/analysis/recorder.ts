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
  dependentLoads = 0;
  dependentShared = 0;
  outOfBounds = 0;
  unresolved = 0;

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
    if (issues === 0 || pointer.space === "local") return;
    if (pointer.space === "shared") this.#accessShared(position, pointer, bytes, kind, issues);
    else this.#accessGlobal(position, pointer, bytes, kind, issues);
    if (this.#leavesBuffer(position, pointer, bytes)) this.outOfBounds++;
    if (kind.write || kind.asynchronous) return;
    if (pointer.space === "shared") this.dependentShared += issues / overlap(position.loops);
    else this.dependentLoads += issues / overlap(position.loops);
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
    const warpSectors = sectors * loopFactor(request, pointer.offset, position.loops);
    const repeat = (point: number, steps: number): number =>
      Math.min(steps, growth(request, Math.abs(at(pointer.offset, point) - at(pointer.offset, 0)), steps));
    const blockSectors = warpSectors * repeat(nextWarpPoint, this.warps);
    const gridSectors = this.shape.grid.reduce(
      (product, extent, axis) => product * repeat(nextBlockPoints[axis] as number, extent),
      blockSectors,
    );
    this.sites.push({
      buffer: pointer.buffer,
      write: kind.write,
      atomic: kind.atomic ?? false,
      asynchronous: kind.asynchronous ?? false,
      bytes,
      issues,
      sectors,
      requestedBytes: this.overWarps((point) => (point === 0 ? first : typical).activeLanes) * bytes,
      warpSectors,
      blockSectors,
      gridSectors: Math.min(gridSectors, Math.ceil(pointer.bufferBytes / sectorBytes)),
      known: request.known,
      lanesPerAddress: request.activeLanes / Math.max(1, request.distinctAddresses),
    });
  }

  finish(dynamicSharedBytes: number, complete: boolean): LaunchProfile {
    const [x, y, z] = this.shape.grid;
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
      loops: this.loops,
      deepestLoop: this.deepest,
      unknownLoops: this.unknownLoops,
      dependentLoads: this.dependentLoads,
      dependentShared: this.dependentShared,
      outOfBounds: this.outOfBounds,
      unresolved: this.unresolved,
      complete,
    };
  }
}

function idealWavefronts(bytes: number, active: (point: number) => boolean, first: number): number {
  let lanes = 0;
  for (let point = first; point < first + lanesPerWarp; point++) if (active(point)) lanes++;
  return lanes === 0 ? 0 : Math.max(1, Math.ceil((lanes * bytes) / 128));
}

/** Iterations of the innermost loops that a compiler runs together, at most eight. */
function overlap(loops: readonly ActiveLoop[]): number {
  let together = 1;
  for (const { trips, unrolled } of [...loops].reverse()) {
    if (!unrolled) break;
    together *= Math.max(1, trips);
  }
  return Math.min(8, together);
}

/** Growth of the sectors that one warp touches over the loops around an access. */
function loopFactor(request: RequestShape, offset: Lanes, loops: readonly ActiveLoop[]): number {
  return loops.reduce((factor, { depth, trips }) => {
    const stride = Math.abs(at(offset, firstLoopPoint + depth) - at(offset, 0));
    return factor * Math.min(Math.max(1, trips), growth(request, stride, trips));
  }, 1);
}

/** Factor by which steps of a stride, in bytes, enlarge what a request touches; 1 where what was fetched serves again. */
function growth(request: RequestShape, stride: number, trips: number): number {
  if (stride === 0 || trips <= 1) return 1;
  if (Number.isNaN(stride)) return trips;
  const footprint = request.sectors.length * sectorBytes;
  const dense = request.span <= footprint + sectorBytes;
  return dense ? 1 + ((trips - 1) * stride) / footprint : Math.max(1, (trips * stride) / sectorBytes);
}
