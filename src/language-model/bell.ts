/** Wakes all who wait for it. */
export interface Bell {
  ring(): void;
  /** Resolves at the next ring; rejects once the signal aborts. */
  wait(signal?: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      const woken = [...waiting];
      waiting.clear();
      for (const wake of woken) wake();
    },
    wait: (signal) =>
      new Promise((resolve, reject) => {
        const abort = (): void => {
          waiting.delete(wake);
          reject(new Error("interrupted"));
        };
        const wake = (): void => {
          signal?.removeEventListener("abort", abort);
          resolve();
        };
        if (signal?.aborted) {
          abort();
          return;
        }
        waiting.add(wake);
        signal?.addEventListener("abort", abort, { once: true });
      }),
  };
}
