/** Something that happened or not, whose probability a shift moves. */
export interface Trial {
  /** Of a hit, when `shift` is added, and its derivative. */
  readonly probability: (shift: number) => number;
  readonly slope: (shift: number) => number;
  readonly hit: boolean;
}

/** The shift that is most likely by the outcomes and by a normal prior around 0 with `prior` for information; Fisher's scoring. */
export function mostLikelyShift(trials: readonly Trial[], prior: number): number {
  const information = (shift: number): number =>
    sum(trials.map(({ probability, slope }) => slope(shift) ** 2 / spread(probability(shift))));
  let shift = 0;
  for (let step = 0; step < 8; step++) {
    const pull = sum(
      trials.map(({ probability, slope, hit }) => {
        const p = probability(shift);
        return (((hit ? 1 : 0) - p) * slope(shift)) / spread(p);
      }),
    );
    shift += (pull - prior * shift) / (information(shift) + prior);
    shift = Math.max(-shiftLimit, Math.min(shiftLimit, shift));
  }
  return shift;
}

function spread(p: number): number {
  return p * (1 - p);
}

const shiftLimit = 3;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
