import type { ChangeDocument, TrustStatus } from "../serve/trust/trust-document.ts";

/** One line a surrogate. */
export function statusLines(surrogates: readonly TrustStatus[]): readonly string[] {
  if (surrogates.length === 0) return ["no surrogate has been tested yet: each starts in shadow"];
  return surrogates.map(({ surrogate, device, level, labels, lacking, families }) => {
    const vetoed = families.filter((one) => one.vetoed).map(({ family }) => family);
    const veto = vetoed.length > 0 ? `, not in ${vetoed.join(", ")}` : "";
    const next =
      lacking[0] === undefined
        ? ""
        : `; lacks: ${lacking[0]}${lacking.length > 1 ? ` (and ${lacking.length - 1} more)` : ""}`;
    return `${surrogate} on ${device}: ${level}${veto}, ${labels} sealed forecasts measured${next}`;
  });
}

export function changeLine({ at, what, by, reason }: ChangeDocument): string {
  return `${at.slice(0, 19).replace("T", " ")}  ${what}, by ${by}: ${reason}`;
}

/** Why a surrogate is trusted, or not. */
export function explainLines(status: TrustStatus): readonly string[] {
  const { surrogate, device, level, evidence, lacking, alertness, losses, families, last_change: last } = status;
  const { labels, wins, missed, spared, bets, capital_needed: needed } = evidence;
  return [
    `${surrogate} on ${device} is in ${level}: ${meaning[level]}`,
    ...(last ? [`  since ${changeLine(last)}`] : ["  it has been there from the start"]),
    `  at this level: ${labels} candidates labelled, ${wins} wins, ${missed} of them it would have skipped; it would have spared ${spared}`,
    ...(level === "live"
      ? []
      : bets.map(({ against, capital }) => `  bet against ${against}: capital ${capital} of ${needed}`)),
    ...(lacking.length > 0 ? [`  lacks: ${lacking.join("; ")}`] : []),
    `  detector of changes: ${Math.round(100 * alertness)} % of the way to an alarm`,
    ...(losses > 0 ? [`  trust was lost ${losses} times, which makes it dearer to regain`] : []),
    ...families.map(
      ({ family, wins: own, missed: ownMissed, vetoed }) =>
        `  ${family}: ${ownMissed} of ${own} wins would have been skipped${vetoed ? "; vetoed" : ""}`,
    ),
  ];
}

const meaning: Readonly<Record<TrustStatus["level"], string>> = {
  shadow: "it decides nothing; its forecasts are sealed and everything is measured",
  canary: "it may skip; half of what is left out is measured all the same",
  live: "it decides; some 4 % of the measurements are audits",
};
