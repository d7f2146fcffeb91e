import { KernelcastError, type ForecastAnswer, type Forecaster } from "../domain/index.ts";

/** Askings in a row without a single forecast after which a search is not going on as if it had a surrogate. */
const silentAskings = 3;

/**
 * A forecaster that rejects once so many askings in a row brought no forecast and each failure was told: refusals, nonsense, rate
 * limits that do not pass. A limit of the user's is no such failure, since the search ends by it.
 */
export function stopWhenSilent(forecaster: Forecaster): Forecaster {
  let askings = 0;
  let kernels = 0;
  const faults = new Map<string, number>();
  const note = ({ forecasts, failures = [] }: ForecastAnswer): void => {
    const isSilent = forecasts.length === 0 && failures.length > 0 && failures.every(({ fault }) => fault !== "budget");
    if (!isSilent) {
      [askings, kernels] = [0, 0];
      faults.clear();
      return;
    }
    askings++;
    kernels += failures.length;
    for (const { fault } of failures) faults.set(fault, (faults.get(fault) ?? 0) + 1);
    if (askings < silentAskings) return;
    const counts = [...faults].map(([fault, count]) => `${fault} ${count}`).join(", ");
    throw new KernelcastError(
      "model",
      `${forecaster.name} gave no forecast of any of the last ${kernels} kernels (${counts}): ${failures[0]?.message}; the run is kept, and another --forecaster starts another`,
    );
  };
  return {
    ...forecaster,
    async forecast(request, signal) {
      const answer = await forecaster.forecast(request, signal);
      note(answer);
      return answer;
    },
  };
}
