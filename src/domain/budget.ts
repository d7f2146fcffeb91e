/** Resources a run may spend or has spent; counted separately, never converted into one another. */
export interface Spending {
  readonly gpuSeconds: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly tokens: number;
  readonly usd: number;
}

export const noSpending: Spending = { gpuSeconds: 0, cpuSeconds: 0, wallSeconds: 0, tokens: 0, usd: 0 };

/** Limits of a run; an absent one does not limit. `measurements` counts the seed kernel's. */
export interface Budget extends Partial<Spending> {
  readonly measurements?: number;
  readonly candidates?: number;
}

export function addSpending(a: Spending, b: Partial<Spending>): Spending {
  return {
    gpuSeconds: a.gpuSeconds + (b.gpuSeconds ?? 0),
    cpuSeconds: a.cpuSeconds + (b.cpuSeconds ?? 0),
    wallSeconds: a.wallSeconds + (b.wallSeconds ?? 0),
    tokens: a.tokens + (b.tokens ?? 0),
    usd: a.usd + (b.usd ?? 0),
  };
}

const spendingKeys = ["gpuSeconds", "cpuSeconds", "wallSeconds", "tokens", "usd"] as const;

/** The first limit of `budget` that `spent` has reached, or undefined. */
export function exhausted(
  budget: Budget,
  spent: Spending,
  counts: { readonly measurements: number; readonly candidates: number },
): keyof Budget | undefined {
  if (budget.measurements !== undefined && counts.measurements >= budget.measurements) return "measurements";
  if (budget.candidates !== undefined && counts.candidates >= budget.candidates) return "candidates";
  return spendingKeys.find((key) => {
    const limit = budget[key];
    return limit !== undefined && spent[key] >= limit;
  });
}
