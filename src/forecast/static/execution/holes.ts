type Tell = (lane: number, text: () => string) => void;

/**
 * Reads of memory that nothing has written. In a structure that is read as a whole, padding may come along with what is
 * wanted: parts that nothing has written are a fault only of lanes that get no others.
 */
export class Holes {
  readonly #fault: Tell;
  /** What lanes have come upon in the structure that is being read; undefined outside of one. */
  #found: Map<number, (() => string)[]> | undefined;

  constructor(fault: Tell) {
    this.#fault = fault;
  }

  note(lane: number, text: () => string): void {
    const found = this.#found?.get(lane);
    if (found) found.push(text);
    else if (this.#found) this.#found.set(lane, [text]);
    else this.#fault(lane, text);
  }

  /** Reads a structure of so many parts. */
  readParts<Result>(parts: number, read: () => Result): Result {
    if (this.#found) return read();
    const found = new Map<number, (() => string)[]>();
    this.#found = found;
    try {
      return read();
    } finally {
      this.#found = undefined;
      for (const [lane, texts] of found) {
        if (texts.length >= parts) for (const text of texts) this.#fault(lane, text);
      }
    }
  }
}
