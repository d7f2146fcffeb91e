import type { Program } from "../analysis/ast.ts";
import { accessOf, type Access } from "./bytes.ts";
import { Holes } from "./holes.ts";
import { laneOf, makeMask, uniformOf, zeroLanes, type Lanes, type Mask } from "./lanes.ts";
import {
  DeviceArray,
  GlobalBuffer,
  LocalArray,
  regionSpan,
  regionStart,
  SharedArray,
  type Accessor,
  type FaultKind,
  type Region,
  type Watcher,
} from "./regions.ts";
import { Unsupported } from "./rounding.ts";
import { rowOf } from "./row-of.ts";
import type { PointerType, ScalarType } from "./types.ts";

/** Raised when a run has used up its steps; what it has done so far stands. */
export class OutOfSteps extends Error {}

type Three = readonly [number, number, number];

/** The threads that run in lockstep: some whole blocks of a launch, or single threads of one. */
export interface Lineup {
  readonly grid: Three;
  readonly block: Three;
  /** Block and thread of each lane. */
  readonly blocks: readonly Three[];
  readonly threads: readonly Three[];
  /** Which of the blocks that run together a lane belongs to. */
  readonly blockOf: Int32Array;
  readonly blockCount: number;
  /** True where every block is there with all its threads, so that warps and barriers make sense. */
  readonly whole: boolean;
}

export interface Fault {
  readonly kind: FaultKind;
  readonly count: number;
  /** The first of its kind, for people. */
  readonly text: string;
}

/** Steps that a run may take; shared by runs that serve one question. */
export interface Budget {
  left: number;
  /** Steps that a run may still take once a loop is seen to need more than are left; without it, all that are left. */
  readonly hopeless?: number;
}

const sharedWindow = 2 ** 20;
/** Bytes of all arrays of a run together. */
const mostArrayBytes = 2 ** 26;
/** What watching a byte of shared memory takes. */
const watchedBytes = 5;

/** What all lanes of a run share: memory, masks, counters. */
export class Machine implements Accessor {
  readonly program: Program;
  readonly lineup: Lineup;
  readonly width: number;
  readonly blockOf: Int32Array;
  readonly warpOf: Int32Array;
  readonly epochs: Int32Array;
  /** First lane of each lane's warp. */
  readonly warpStart: Int32Array;
  readonly launch: number;
  readonly dynamicSharedBytes: number;
  readonly watcher: Watcher | undefined;
  readonly holes: Holes = new Holes((lane, text) => this.fault("unwrittenShared", lane, text));
  readonly faults = new Map<FaultKind, { count: number; text: string }>();
  readonly all: Mask;
  /** Lanes that are running now, and those whose kernel has returned. */
  mask: Mask;
  gone: Mask;
  readonly #budget: Budget;
  readonly #regions: Region[] = [];
  readonly #shared: number[] = [];
  #held = 0;
  readonly #globals: readonly GlobalBuffer[];
  /** True where the source declares something that is not modelled, so that its name seems unknown. */
  undeclared = false;
  /** Reads of shared and global memory so far. */
  loads = 0;
  /** Bytes of shared arrays per block, and of those whose size the source gives. */
  sharedBytes = 0;
  staticSharedBytes = 0;

  constructor(
    program: Program,
    lineup: Lineup,
    options: {
      readonly buffers: readonly GlobalBuffer[];
      readonly launch: number;
      readonly dynamicSharedBytes: number;
      readonly budget: Budget;
      readonly watcher?: Watcher | undefined;
    },
  ) {
    this.program = program;
    this.lineup = lineup;
    this.width = lineup.threads.length;
    this.blockOf = lineup.blockOf;
    this.warpOf = Int32Array.from(lineup.threads, ([x, y, z]) => {
      const [width, height] = lineup.block;
      return Math.floor((x + width * (y + height * z)) / 32);
    });
    this.epochs = new Int32Array(lineup.blockCount);
    const threads = lineup.block[0] * lineup.block[1] * lineup.block[2];
    this.warpStart = Int32Array.from({ length: this.width }, (_, lane) => lane - ((lane % threads) % 32));
    this.launch = options.launch;
    this.watcher = options.watcher;
    this.dynamicSharedBytes = options.dynamicSharedBytes;
    this.#budget = options.budget;
    this.#globals = options.buffers;
    this.#regions.push(...options.buffers);
    this.all = makeMask(new Uint8Array(this.width).fill(1));
    this.mask = this.all;
    this.gone = makeMask(new Uint8Array(this.width));
  }

  /** Counts work: one unit for each lane and operation. */
  step(lanes: number): void {
    this.#budget.left -= lanes;
    if (this.#budget.left < 0) throw new OutOfSteps();
  }

  /** Steps that are left. */
  get left(): number {
    return this.#budget.left;
  }

  /** Tells that the run needs more steps than are left. */
  giveUp(): void {
    this.#budget.left = Math.min(this.#budget.left, this.#budget.hopeless ?? Number.POSITIVE_INFINITY);
  }

  fault(kind: FaultKind, lane: number, text: () => string): void {
    const known = this.faults.get(kind);
    if (known) known.count++;
    else this.faults.set(kind, { count: 1, text: `${text()} (${this.#where(lane)})` });
  }

  #where(lane: number): string {
    return `block ${this.lineup.blocks[lane]?.join(",")}, thread ${this.lineup.threads[lane]?.join(",")}`;
  }

  /** Address of a task argument's buffer. */
  bufferAddress(name: string): number | undefined {
    const index = this.#globals.findIndex((buffer) => buffer.name === name);
    return index < 0 ? undefined : regionStart((index + 1) * regionSpan);
  }

  #allocate(region: Region): number {
    this.#regions.push(region);
    return regionStart(this.#regions.length * regionSpan);
  }

  /** Counts memory that a run takes. */
  #hold(bytes: number, what: string): void {
    this.#held += bytes;
    if (!(this.#held <= mostArrayBytes)) throw new Unsupported(what);
    this.step(Math.ceil(bytes / 64));
  }

  allocateShared(name: string, bytes: number): number {
    this.sharedBytes += bytes;
    if (bytes > sharedWindow) throw new Unsupported("a shared array too large for any device");
    this.#hold(watchedBytes * bytes * this.lineup.blockCount, "shared memory of many blocks");
    const address = this.#allocate(new SharedArray(name, bytes, this.lineup.blockCount));
    this.#shared.push(address);
    return address;
  }

  allocateLocal(name: string, bytes: number): number {
    this.#hold(bytes * this.width, "large arrays in every thread");
    return this.#allocate(new LocalArray(name, bytes, this.width));
  }

  /** The address within shared memory that instructions take, 32 bits wide. */
  toShared(address: Lanes): Lanes {
    const one = (at: number): number => {
      const start = regionStart(at);
      const index = this.#shared.indexOf(start);
      if (index < 0) throw new Unsupported("a shared address of what is not shared");
      return (index + 1) * sharedWindow + (at - start);
    };
    return typeof address === "number" ? one(address) : address.map((at) => (at < regionSpan ? 0 : one(at)));
  }

  /** Where a 32-bit shared address points. */
  fromShared(address: Lanes): Lanes {
    const one = (at: number): number => {
      const start = this.#shared[Math.floor(at / sharedWindow) - 1];
      return start === undefined ? at : start + (at % sharedWindow);
    };
    return typeof address === "number" ? one(address) : address.map(one);
  }

  allocateDevice(name: string, bytes: number): number {
    this.#hold(bytes, "large arrays in the source");
    return this.#allocate(new DeviceArray(name, bytes));
  }

  /** Tells of lanes whose address is no multiple of what a vector needs. */
  checkAlignment(address: Lanes, align: number): void {
    for (let lane = 0; lane < this.width; lane++) {
      if (this.mask.active[lane] === 0) continue;
      const place = laneOf(address, lane);
      const region = this.region(place);
      if (region && place % align !== 0) this.misaligned(region, place - regionStart(place), align, lane);
      if (typeof address === "number") return;
    }
  }

  region(address: number): Region | undefined {
    return this.#regions[Math.floor(address / regionSpan) - 1];
  }

  /** Reads a scalar at addresses, for the lanes that are running. */
  load(type: ScalarType | PointerType, address: Lanes): Lanes {
    this.step(2 * this.width);
    const access = accessOf(type);
    if (typeof address === "number") return this.#loadAtOne(type, address);
    this.loads++;
    const result = zeroLanes(this.width);
    const { active } = this.mask;
    let region: Region | undefined;
    let start = 0;
    for (let lane = 0; lane < this.width; lane++) {
      if (active[lane] === 0) continue;
      const offset = (address[lane] as number) - start;
      if (region === undefined || offset < -regionSpan / 2 || offset >= regionSpan / 2) {
        region = this.#find(address[lane] as number, lane);
        if (!region) continue;
        start = regionStart(address[lane] as number);
      }
      if (region instanceof GlobalBuffer) {
        lane = region.readLanes(this, access, { address, start, first: lane }, result) - 1;
        continue;
      }
      const at = (address[lane] as number) - start;
      if (at % access.bytes !== 0) this.misaligned(region, at, access.bytes, lane);
      else result[lane] = region.read(this, access, at, lane);
    }
    return result;
  }

  #loadAtOne(type: ScalarType | PointerType, address: number): Lanes {
    const lane = this.mask.active.indexOf(1);
    const region = lane < 0 ? undefined : this.#find(address, lane);
    if (!region) return 0;
    const access = accessOf(type);
    const at = address - regionStart(address);
    if (at % access.bytes !== 0) {
      this.misaligned(region, at, access.bytes, lane);
      return 0;
    }
    if (region.space !== "local") this.loads++;
    if (region.space === "global") return region.read(this, access, at, lane);
    const result = zeroLanes(this.width);
    const row = region instanceof LocalArray ? rowOf(region, type, at, this.width) : undefined;
    if (row) {
      result.set(row);
      return result;
    }
    this.#loadEach(region, access, at, result);
    return result;
  }

  /** Reads what lies at one offset for each lane; lanes of a warp read the same of a shared array. */
  #loadEach(region: Region, access: Access, at: number, result: Float64Array): void {
    const { active } = this.mask;
    let before = -1;
    for (let lane = 0; lane < this.width; lane++) {
      if (active[lane] === 0) continue;
      const isSame = region.space !== "local" && this.#areTogether(before, lane);
      result[lane] = isSame ? (result[before] as number) : region.read(this, access, at, lane);
      before = lane;
    }
  }

  /** True of lanes of one warp. */
  #areTogether(lane: number, other: number): boolean {
    return this.warpStart[lane] === this.warpStart[other] && this.blockOf[lane] === this.blockOf[other];
  }

  /** Writes a scalar to addresses, for the lanes that are running. */
  store(type: ScalarType | PointerType, address: Lanes, value: Lanes, atomic = false): void {
    this.step(2 * this.width);
    if (typeof address === "number" && this.mask.count === this.width && this.#storeRow(type, address, value)) return;
    const access = accessOf(type);
    const { active } = this.mask;
    let region: Region | undefined;
    let start = 0;
    for (let lane = 0; lane < this.width; lane++) {
      if (active[lane] === 0) continue;
      const place = laneOf(address, lane);
      if (region === undefined || Math.abs(place - start) >= regionSpan / 2) {
        region = this.#find(place, lane);
        start = regionStart(place);
      }
      if (!region) continue;
      const at = place - start;
      if (at % access.bytes !== 0) this.misaligned(region, at, access.bytes, lane);
      else region.write(this, access, at, lane, laneOf(value, lane), atomic);
    }
  }

  /** Writes one word of every lane's array at once, where that is what a store does. */
  #storeRow(type: ScalarType | PointerType, address: number, value: Lanes): boolean {
    const region = this.region(address);
    if (!(region instanceof LocalArray)) return false;
    const row = rowOf(region, type, address - regionStart(address), this.width);
    if (!row) return false;
    if (typeof value === "number") row.fill(value);
    else row.set(value);
    return true;
  }

  /** One lane's read-modify-write; returns what was there. */
  exchange(type: ScalarType, address: number, lane: number, change: (old: number) => number): number {
    const access = accessOf(type);
    const region = this.#find(address, lane);
    if (!region) return 0;
    const at = address - regionStart(address);
    if (at % access.bytes !== 0) {
      this.misaligned(region, at, access.bytes, lane);
      return 0;
    }
    if (at < 0 || at + access.bytes > region.bytes) {
      region.write(this, access, at, lane, 0, true);
      return 0;
    }
    const old =
      region.space === "shared"
        ? (region as SharedArray).peek(this, access, at, lane)
        : region.read(this, access, at, lane);
    region.write(this, access, at, lane, change(old), true);
    return old;
  }

  #find(address: number, lane: number): Region | undefined {
    const region = this.#regions[Math.floor(address / regionSpan) - 1];
    if (!region) this.fault("wildAddress", lane, () => "follows a pointer that points nowhere");
    return region;
  }

  misaligned(region: Region, at: number, bytes: number, lane: number): void {
    this.fault("misaligned", lane, () => `accesses ${bytes} bytes at byte ${at} of ${region.name}`);
  }

  /** A barrier of the lanes that are running; all lanes of a block that have not left must be. */
  barrier(): void {
    const { active } = this.mask;
    const missing = new Uint8Array(this.epochs.length);
    const present = new Uint8Array(this.epochs.length);
    for (let lane = 0; lane < this.width; lane++) {
      const block = this.blockOf[lane] as number;
      if (active[lane] !== 0) present[block] = 1;
      else if (this.gone.active[lane] === 0) missing[block] = 1;
    }
    for (let block = 0; block < present.length; block++) {
      if (present[block] === 0) continue;
      this.epochs[block] = (this.epochs[block] as number) + 1;
      if (missing[block] !== 0) {
        this.fault(
          "divergentBarrier",
          this.blockOf.indexOf(block),
          () => "waits at a barrier that not all threads reach",
        );
      }
    }
  }

  /** The one value that all running lanes have. */
  uniform(lanes: Lanes, what: string): number {
    const value = uniformOf(lanes, this.mask);
    if (value === undefined) throw new Unsupported(`${what} differs between threads`);
    return value;
  }
}
