import { dtypeBytes, type TaskArgument } from "../../../domain/index.ts";
import { Bytes } from "./bytes.ts";
import { fillInput, type Offsets } from "./inputs.ts";

export const pageBytes = 256;
/** Pages that share their memory: seven views of each alone would cost more than what is in them. */
const pagesPerSlab = 32;
const slabBytes = pageBytes * pagesPerSlab;
/** Pages of one input that are kept, some 400 bytes each; others are drawn again. */
const keptPages = 32_768;

/** A piece of a buffer. */
export interface Page {
  /** Where the page lies: it starts at byte `base` of what holds many pages. */
  readonly bytes: Bytes;
  readonly base: number;
  /** For each byte (from `base` on), one more than the launch that wrote it last; 0 as it was in the beginning. */
  readonly writers: Uint8Array;
  /** True where it holds drawn input to begin with. */
  readonly drawn: boolean;
  /** True of pages of inputs, which all runs on a task look at and none writes to. */
  readonly shared: boolean;
}

const unwritten = new Uint8Array(slabBytes);

/** Pages of an input. */
export class InputPages {
  readonly #argument: TaskArgument;
  readonly #index: number;
  readonly #offsets: Offsets | undefined;
  readonly #pages = new Map<number, Page>();
  #slab: Bytes | undefined;
  #next = 0;

  constructor(argument: TaskArgument, index: number, offsets?: Offsets) {
    this.#argument = argument;
    this.#offsets = offsets;
    this.#index = index;
  }

  page(index: number): Page {
    let page = this.#pages.get(index);
    if (!page) {
      page = this.#draw(index);
      if (this.#pages.size >= keptPages) this.#pages.clear();
      this.#pages.set(index, page);
    }
    return page;
  }

  #draw(index: number): Page {
    if (!this.#slab || this.#next === pagesPerSlab) {
      this.#slab = new Bytes(slabBytes);
      this.#next = 0;
    }
    const base = pageBytes * this.#next++;
    const elementBytes = dtypeBytes(this.#argument.dtype);
    const total = this.#argument.shape.reduce((product, extent) => product * extent, 1);
    const first = (index * pageBytes) / elementBytes;
    const count = Math.min(pageBytes / elementBytes, total - first);
    fillInput(this.#argument, this.#index, { bytes: this.#slab, base }, { first, count }, this.#offsets);
    return { bytes: this.#slab, base, writers: unwritten, drawn: true, shared: true };
  }
}

/** Makes the pages that a buffer of one run has for itself. */
export class PageStore {
  #bytes: Bytes | undefined;
  #writers: Uint8Array = unwritten;
  #next = 0;

  /** A page that holds nothing. */
  empty(): Page {
    const page = this.#make(false);
    page.bytes.u8.fill(0xff, page.base, page.base + pageBytes);
    return page;
  }

  copy({ bytes, base, drawn }: Page): Page {
    const page = this.#make(drawn);
    page.bytes.u8.set(bytes.u8.subarray(base, base + pageBytes), page.base);
    return page;
  }

  #make(drawn: boolean): Page {
    if (!this.#bytes || this.#next === pagesPerSlab) {
      this.#bytes = new Bytes(slabBytes);
      this.#writers = new Uint8Array(slabBytes);
      this.#next = 0;
    }
    const base = pageBytes * this.#next++;
    return { bytes: this.#bytes, base, writers: this.#writers, drawn, shared: false };
  }
}
