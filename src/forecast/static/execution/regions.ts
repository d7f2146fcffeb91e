import type { TaskArgument } from "../../../domain/index.ts";
import { Bytes, readAt, writeAt, type Access } from "./bytes.ts";
import type { Holes } from "./holes.ts";
import { pageBytes, PageStore, type InputPages, type Page } from "./pages.ts";
import { RaceWatch } from "./race-watch.ts";

/** Each piece of memory has an address range of its own, so that leaving one never lands in another. */
export const regionSpan: number = 2 ** 34;

/** Address of the first byte of the region that an address belongs to; regions start in the middle of their range. */
export function regionStart(address: number): number {
  return Math.floor(address / regionSpan) * regionSpan + regionSpan / 2;
}

export type FaultKind =
  | "globalRead"
  | "globalWrite"
  | "sharedRange"
  | "localRange"
  | "wildAddress"
  | "misaligned"
  | "race"
  | "unwrittenShared"
  | "unwrittenGlobal"
  | "divergentBarrier";

/** Who accesses memory, and whom to tell of faults. */
export interface Accessor {
  readonly width: number;
  /** Which of the blocks that run together a lane belongs to, its warp in that block, and the block's barriers so far. */
  readonly blockOf: Int32Array;
  readonly warpOf: Int32Array;
  readonly epochs: Int32Array;
  readonly launch: number;
  readonly watcher?: Watcher | undefined;
  /** Lanes that are running. */
  readonly mask: { readonly active: Uint8Array };
  step(work: number): void;
  misaligned(region: Region, at: number, bytes: number, lane: number): void;
  fault(kind: FaultKind, lane: number, text: () => string): void;
  /** Told of reads of shared memory that nothing has written. */
  readonly holes: Holes;
}

/** Told of accesses to buffers. */
export interface Watcher {
  readonly read?: ((buffer: GlobalBuffer, offset: number, lane: number) => void) | undefined;
  /** `fresh` elements are those that this launch had not written before. */
  readonly write?: ((buffer: GlobalBuffer, offset: number, lane: number, fresh: number) => void) | undefined;
}

/** A piece of memory: a buffer, a shared array of each block, or an array of each thread. */
export interface Region {
  readonly name: string;
  readonly space: "global" | "shared" | "local";
  readonly bytes: number;
  read(by: Accessor, access: Access, offset: number, lane: number): number;
  write(by: Accessor, access: Access, offset: number, lane: number, value: number, atomic: boolean): void;
}

/** A task argument in device memory, made page by page as it is touched. */
export class GlobalBuffer implements Region {
  readonly space = "global";
  readonly name: string;
  readonly bytes: number;
  readonly argument: TaskArgument;
  /** Set once an atomic has touched it: other blocks would have, too. */
  atomic = false;
  readonly elementBytes: number;
  readonly #inputs: InputPages;
  readonly pages = new Map<number, Page>();
  /** One more than the last launch that has written to it. */
  lastWriter = 0;
  readonly #store = new PageStore();
  #last: Page | undefined;
  #lastIndex = -1;

  constructor(argument: TaskArgument, elementBytes: number, inputs: InputPages) {
    this.argument = argument;
    this.name = argument.name;
    this.elementBytes = elementBytes;
    this.bytes = argument.shape.reduce((product, extent) => product * extent, elementBytes);
    this.#inputs = inputs;
  }

  read(by: Accessor, access: Access, offset: number, lane: number): number {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("globalRead", lane, () => `reads ${this.#place(offset)}`);
      return 0;
    }
    const index = Math.floor(offset / pageBytes);
    const page = index === this.#lastIndex ? (this.#last as Page) : this.#page(index, by);
    const at = page.base + offset - index * pageBytes;
    by.watcher?.read?.(this, offset, lane);
    const writer = page.writers[at] as number;
    if (writer === 0 && !page.drawn) {
      by.fault("unwrittenGlobal", lane, () => `reads ${this.name}[${offset / this.elementBytes}], which holds nothing`);
    }
    return readAt(access, page.bytes, at, at + 4);
  }

  write(by: Accessor, access: Access, offset: number, lane: number, value: number, atomic: boolean): void {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("globalWrite", lane, () => `writes ${this.#place(offset)}`);
      return;
    }
    if (atomic) this.atomic = true;
    const index = Math.floor(offset / pageBytes);
    let page = index === this.#lastIndex ? (this.#last as Page) : this.#page(index, by);
    if (page.shared) page = this.#ownPage(index, page);
    const at = page.base + offset - index * pageBytes;
    by.watcher?.write?.(this, offset, lane, page.writers[at] === by.launch + 1 ? 0 : this.#elementsIn(access.bytes));
    writeAt(access, page.bytes, at, value, at + 4);
    this.lastWriter = Math.max(this.lastWriter, by.launch + 1);
    for (let byte = at; byte < at + access.bytes; byte++) page.writers[byte] = by.launch + 1;
  }

  #elementsIn(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.elementBytes));
  }

  /**
   * Reads for the running lanes from `first` on, as long as their addresses belong to this buffer, which begins at `start`;
   * returns the lane after those.
   */
  readLanes(
    by: Accessor,
    access: Access,
    { address, start, first }: { readonly address: Float64Array; readonly start: number; readonly first: number },
    result: Float64Array,
  ): number {
    const { active } = by.mask;
    const { bytes } = access;
    let page: Page | undefined;
    let pageStart = 0;
    for (let lane = first; lane < address.length; lane++) {
      if (active[lane] === 0) continue;
      const offset = (address[lane] as number) - start;
      const at = offset - pageStart;
      if (page && at >= 0 && at + bytes <= pageBytes && at % bytes === 0) {
        result[lane] = readAt(access, page.bytes, page.base + at, page.base + at + 4);
        continue;
      }
      if (offset < -regionSpan / 2 || offset >= regionSpan / 2) return lane;
      if (offset % bytes !== 0) by.misaligned(this, offset, bytes, lane);
      else result[lane] = this.read(by, access, offset, lane);
      page = this.#plainPage(by);
      pageStart = this.#lastIndex * pageBytes;
    }
    return address.length;
  }

  /** The page touched last if there is nothing to note about reading from it. */
  #plainPage({ watcher }: Accessor): Page | undefined {
    const isWhole = (this.#lastIndex + 1) * pageBytes <= this.bytes;
    return isWhole && !watcher?.read && this.#last?.drawn ? this.#last : undefined;
  }

  /** What an element holds. */
  valueOf(element: number, access: Access): number {
    const offset = element * this.elementBytes;
    const page = this.pages.get(Math.floor(offset / pageBytes));
    if (!page) return Number.NaN;
    const at = page.base + (offset % pageBytes);
    return readAt(access, page.bytes, at, at + 4);
  }

  /** True where a launch has written an element. */
  isWritten(element: number): boolean {
    const offset = element * this.elementBytes;
    const page = this.pages.get(Math.floor(offset / pageBytes));
    return page !== undefined && page.writers[page.base + (offset % pageBytes)] !== 0;
  }

  #place(offset: number): string {
    const last = this.bytes / this.elementBytes - 1;
    return `${this.name}[${Math.floor(offset / this.elementBytes)}], whose last element is ${last}`;
  }

  #page(index: number, by: Accessor): Page {
    const page = this.pages.get(index) ?? this.#makePage(index, by);
    this.#last = page;
    this.#lastIndex = index;
    return page;
  }

  #makePage(index: number, by: Accessor): Page {
    by.step(pageBytes);
    const drawn = this.argument.role === "in" || this.argument.role === "inout";
    const page = drawn ? this.#inputs.page(index) : this.#store.empty();
    this.pages.set(index, page);
    return page;
  }

  /** A page that may be written to in place of one that others look at, too. */
  #ownPage(index: number, shared: Page): Page {
    const page = this.#store.copy(shared);
    this.pages.set(index, page);
    this.#last = page;
    return page;
  }
}

/** A shared array: one for each of the blocks that run together. */
export class SharedArray implements Region {
  readonly space = "shared";
  readonly name: string;
  readonly bytes: number;
  readonly #storage: Bytes[];
  readonly #watches: RaceWatch[];

  constructor(name: string, bytes: number, blocks: number) {
    this.name = name;
    this.bytes = bytes;
    this.#storage = Array.from({ length: blocks }, () => new Bytes(bytes));
    this.#watches = this.#storage.map(() => new RaceWatch(bytes));
  }

  read(by: Accessor, access: Access, offset: number, lane: number): number {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("sharedRange", lane, () => `reads byte ${offset} of ${this.name}, which has ${this.bytes}`);
      return 0;
    }
    const block = by.blockOf[lane] as number;
    const epoch = by.epochs[block] as number;
    const state = (this.#watches[block] as RaceWatch).read(offset, access.bytes, epoch, by.warpOf[lane] as number);
    const reading = (what: string) => () => `reads byte ${offset} of ${this.name}, which ${what}`;
    if (state === "race") by.fault("race", lane, reading("another warp writes without a barrier between"));
    else if (state === "unwritten") by.holes.note(lane, reading("nothing has written"));
    return readAt(access, this.#storage[block] as Bytes, offset, offset + 4);
  }

  /** Reads without noting it. */
  peek(by: Accessor, access: Access, offset: number, lane: number): number {
    return readAt(access, this.#storage[by.blockOf[lane] as number] as Bytes, offset, offset + 4);
  }

  write(by: Accessor, access: Access, offset: number, lane: number, value: number, atomic: boolean): void {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("sharedRange", lane, () => `writes byte ${offset} of ${this.name}, which has ${this.bytes}`);
      return;
    }
    const block = by.blockOf[lane] as number;
    const storage = this.#storage[block] as Bytes;
    const changes = atomic || readAt(access, storage, offset, offset + 4) !== value;
    const watch = this.#watches[block] as RaceWatch;
    const warp = by.warpOf[lane] as number;
    if (watch.write(offset, access.bytes, by.epochs[block] as number, warp, atomic, changes)) {
      by.fault(
        "race",
        lane,
        () => `writes byte ${offset} of ${this.name}, which another warp uses without a barrier between`,
      );
    }
    writeAt(access, storage, offset, value, offset + 4);
  }
}

/** An array of each thread, its words interleaved by lane. */
export class LocalArray implements Region {
  readonly space = "local";
  readonly name: string;
  readonly bytes: number;
  readonly words: Bytes;
  readonly #width: number;

  constructor(name: string, bytes: number, width: number) {
    this.name = name;
    this.bytes = bytes;
    this.#width = width;
    this.words = new Bytes(Math.ceil(bytes / 4) * 4 * width);
    this.words.u8.fill(0xff);
  }

  read(by: Accessor, access: Access, offset: number, lane: number): number {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("localRange", lane, () => `reads byte ${offset} of ${this.name}, which has ${this.bytes}`);
      return 0;
    }
    const at = ((offset >>> 2) * this.#width + lane) * 4 + (offset & 3);
    return readAt(access, this.words, at, at + 4 * this.#width);
  }

  write(by: Accessor, access: Access, offset: number, lane: number, value: number): void {
    if (offset < 0 || offset + access.bytes > this.bytes) {
      by.fault("localRange", lane, () => `writes byte ${offset} of ${this.name}, which has ${this.bytes}`);
      return;
    }
    const at = ((offset >>> 2) * this.#width + lane) * 4 + (offset & 3);
    writeAt(access, this.words, at, value, at + 4 * this.#width);
  }
}

/** An array that the source itself declares in device or constant memory. */
export class DeviceArray implements Region {
  readonly space = "global";
  readonly name: string;
  readonly bytes: number;
  readonly #storage: Bytes;

  constructor(name: string, bytes: number) {
    this.name = name;
    this.bytes = bytes;
    this.#storage = new Bytes(bytes);
  }

  read(by: Accessor, access: Access, offset: number, lane: number): number {
    if (offset >= 0 && offset + access.bytes <= this.bytes) return readAt(access, this.#storage, offset, offset + 4);
    by.fault("globalRead", lane, () => `reads byte ${offset} of ${this.name}, which has ${this.bytes}`);
    return 0;
  }

  write(by: Accessor, access: Access, offset: number, lane: number, value: number): void {
    if (offset >= 0 && offset + access.bytes <= this.bytes) writeAt(access, this.#storage, offset, value, offset + 4);
    else by.fault("globalWrite", lane, () => `writes byte ${offset} of ${this.name}, which has ${this.bytes}`);
  }
}
