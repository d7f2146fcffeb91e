import { keyedShuffle, type Forecaster } from "../domain/index.ts";

export interface Sabotage {
  /** Number of the first batch, counted from 0, whose forecasts are permuted. */
  readonly fromBatch: number;
  readonly seed?: number;
  readonly name?: string;
}

/**
 * A forecaster that breaks: from a batch on each candidate gets another one's forecast. Whoever trusts it should notice. It is told apart
 * from the sound one by its name, unless another is given.
 */
export function sabotagedForecaster(sound: Forecaster, { fromBatch, seed = 1, name }: Sabotage): Forecaster {
  let batch = 0;
  return {
    name: name ?? `sabotaged:${sound.name}`,
    async close() {
      await sound.close?.();
    },
    async forecast(request, signal) {
      const number = batch++;
      const answer = await sound.forecast(request, signal);
      if (number < fromBatch) return answer;
      const others = keyedShuffle(answer.forecasts, seed, "sabotage", number);
      const forecasts = answer.forecasts.map(({ kernelId }, place) => ({ ...others[place], kernelId }));
      // What it is taught would no longer be what it said.
      const { basis: _, ...rest } = answer;
      return { ...rest, forecasts: forecasts as typeof answer.forecasts };
    },
  };
}
