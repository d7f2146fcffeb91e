/**
 * Lets many work together, or one alone: who asks for a turn `alone` waits until all others are done and holds everybody
 * else back. Those who wait to be alone go first, in order.
 */
export class Turns {
  private together = 0;
  private alone = false;
  private readonly waitingAlone: (() => void)[] = [];
  private waitingTogether: (() => void)[] = [];

  /** Waits for a turn, does the work, and ends the turn however the work ends. */
  async take<T>(kind: "together" | "alone", work: () => Promise<T>): Promise<T> {
    await (kind === "alone" ? this.enterAlone() : this.enterTogether());
    try {
      return await work();
    } finally {
      this.leave(kind);
    }
  }

  private enterAlone(): Promise<void> {
    return new Promise((resolve) => {
      this.waitingAlone.push(resolve);
      this.next();
    });
  }

  private enterTogether(): Promise<void> {
    return new Promise((resolve) => {
      this.waitingTogether.push(resolve);
      this.next();
    });
  }

  private leave(kind: "together" | "alone"): void {
    if (kind === "alone") this.alone = false;
    else this.together--;
    this.next();
  }

  private next(): void {
    if (this.alone) return;
    if (this.waitingAlone.length > 0) {
      if (this.together > 0) return;
      this.alone = true;
      this.waitingAlone.shift()?.();
      return;
    }
    const ready = this.waitingTogether;
    this.waitingTogether = [];
    this.together += ready.length;
    for (const start of ready) start();
  }
}
