import { KernelcastError } from "./errors.ts";

/** A promise that never resolves and rejects with `KernelcastError("interrupted", message)` once the signal aborts. */
export function rejectOnAbort(signal: AbortSignal, message: string): Promise<never> {
  const rejection = new Promise<never>((_resolve, reject) => {
    const interrupt = (): void => reject(new KernelcastError("interrupted", message));
    if (signal.aborted) interrupt();
    else signal.addEventListener("abort", interrupt, { once: true });
  });
  rejection.catch(() => undefined); // It may abort when nobody waits for it any more.
  return rejection;
}
