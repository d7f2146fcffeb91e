/** Parts of one structure, read by many lanes, that nothing has written. */
export class Holes {
  readonly #found = new Map<number, (() => string)[]>();

  note(lane: number, text: () => string): void {
    const found = this.#found.get(lane);
    if (found) found.push(text);
    else this.#found.set(lane, [text]);
  }

  /** Tells of all parts of the lanes that have come upon nothing but holes. */
  tell(parts: number, fault: (lane: number, text: () => string) => void): void {
    for (const [lane, texts] of this.#found) {
      if (texts.length >= parts) for (const text of texts) fault(lane, text);
    }
  }
}
