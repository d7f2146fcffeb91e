const manyWarps = 63;
const bytesPerWord = 4;
const allBytes = 15;

/** What a shared array's words remember of who used them since the block's last barrier. */
export class RaceWatch {
  /** Barriers passed + 1, warp and bytes of the last writes, packed; 0 where nothing was written. */
  readonly #epochs: Int32Array;
  readonly #writers: Uint8Array;
  readonly #atomics: Uint8Array;
  readonly #written: Uint8Array;
  readonly #ever: Uint8Array;
  readonly #readEpochs: Int32Array;
  readonly #readers: Uint8Array;
  readonly #readBytes: Uint8Array;

  constructor(bytes: number) {
    const words = Math.ceil(bytes / bytesPerWord);
    this.#epochs = new Int32Array(words);
    this.#writers = new Uint8Array(words);
    this.#atomics = new Uint8Array(words);
    this.#written = new Uint8Array(words);
    this.#ever = new Uint8Array(words);
    this.#readEpochs = new Int32Array(words);
    this.#readers = new Uint8Array(words);
    this.#readBytes = new Uint8Array(words);
  }

  /** Notes a read; tells of a write by another warp since the last barrier, and of bytes that nothing has written. */
  read(offset: number, bytes: number, barriers: number, warp: number): "race" | "unwritten" | undefined {
    const epoch = barriers + 1;
    if (bytes === bytesPerWord && this.#readsAgain(offset >>> 2, epoch, warp)) return undefined;
    let state: "race" | "unwritten" | undefined;
    for (let word = offset >>> 2; word * bytesPerWord < offset + bytes; word++) {
      const part = bytesIn(word, offset, bytes);
      this.#noteRead(word, part, epoch, warp);
      if (this.#epochs[word] === epoch && this.#conflicts(word, part, warp)) return "race";
      if (((this.#ever[word] as number) & part) !== part) state = "unwritten";
    }
    return state;
  }

  /** True where a warp reads a whole word that it has read before, and nothing has written it since the last barrier. */
  #readsAgain(word: number, epoch: number, warp: number): boolean {
    return (
      this.#readEpochs[word] === epoch &&
      this.#readers[word] === warp &&
      this.#readBytes[word] === allBytes &&
      this.#ever[word] === allBytes &&
      this.#epochs[word] !== epoch
    );
  }

  /** Notes a write; true where another warp has used a byte since the last barrier. */
  write(offset: number, bytes: number, barriers: number, warp: number, atomic: boolean, changes: boolean): boolean {
    const epoch = barriers + 1;
    let race = false;
    for (let word = offset >>> 2; word * bytesPerWord < offset + bytes; word++) {
      const part = bytesIn(word, offset, bytes);
      race ||= changes && this.#writeRaces(word, part, epoch, warp, atomic);
      this.#noteWrite(word, part, epoch, warp, atomic);
    }
    return race;
  }

  #conflicts(word: number, part: number, warp: number): boolean {
    const writer = this.#writers[word] as number;
    if (writer === warp || ((this.#written[word] as number) & part) === 0) return false;
    return writer !== manyWarps || this.#atomics[word] === 1;
  }

  /** An atomic after another warp's read is common and harmless: a look whether it is worth it. */
  #writeRaces(word: number, part: number, epoch: number, warp: number, atomic: boolean): boolean {
    const bothAtomic = atomic && this.#atomics[word] === 1;
    if (this.#epochs[word] === epoch && !bothAtomic && this.#conflicts(word, part, warp)) return true;
    if (atomic || this.#readEpochs[word] !== epoch) return false;
    const reader = this.#readers[word] as number;
    return reader !== warp && ((this.#readBytes[word] as number) & part) !== 0;
  }

  #noteRead(word: number, part: number, epoch: number, warp: number): void {
    if (this.#readEpochs[word] !== epoch) {
      this.#readEpochs[word] = epoch;
      this.#readers[word] = warp;
      this.#readBytes[word] = part;
      return;
    }
    const reader = this.#readers[word] as number;
    if (reader === warp) this.#readBytes[word] = (this.#readBytes[word] as number) | part;
    else if (reader === manyWarps || ((this.#readBytes[word] as number) & part) !== 0) {
      this.#readers[word] = manyWarps;
      this.#readBytes[word] = (this.#readBytes[word] as number) & part;
    }
  }

  #noteWrite(word: number, part: number, epoch: number, warp: number, atomic: boolean): void {
    this.#ever[word] = (this.#ever[word] as number) | part;
    if (this.#epochs[word] !== epoch) {
      this.#epochs[word] = epoch;
      this.#writers[word] = warp;
      this.#atomics[word] = atomic ? 1 : 0;
      this.#written[word] = part;
      return;
    }
    if (this.#writers[word] !== warp) this.#writers[word] = manyWarps;
    if (!atomic) this.#atomics[word] = 0;
    this.#written[word] = (this.#written[word] as number) | part;
  }
}

/** Which of a word's four bytes an access takes, one bit each. */
function bytesIn(word: number, offset: number, bytes: number): number {
  const first = Math.max(0, offset - word * bytesPerWord);
  const last = Math.min(bytesPerWord, offset + bytes - word * bytesPerWord);
  return ((1 << last) - 1) & ~((1 << first) - 1);
}
