import { createPolicy, policyNames, type PolicyName } from "../../decide/policies.ts";
import {
  canonicalJson,
  KernelcastError,
  sha256Hex,
  suggestion,
  type Forecaster,
  type Policy,
} from "../../domain/index.ts";
import type { BenchTask } from "../../evaluate/searches/bench-task.ts";
import { fullyAdapted, fullyCalibrated, truthForecaster, unadapted } from "../../evaluate/searches/hindsight.ts";
import { publishedGate } from "../../evaluate/searches/published-gate.ts";
import { recordingFolder } from "../../formats/recording-folder.ts";
import { searchDefaults } from "../../search/defaults.ts";
import type { SearchConfig } from "../../search/events.ts";
import { namesModel } from "../language-models.ts";
import { checkForecaster } from "../open-forecaster.ts";
import { digestPath } from "./digest-path.ts";

/** What a forecaster is told beside what it is asked: `run`, as in a search; the others see `hindsight.ts`. */
type Knowledge = "run" | "start" | "task-calibration" | "task-outcomes" | "truth";

/** One way to search, by which searches are compared. Plain data: the bench's workers open it. */
export interface Arm {
  readonly name: string;
  readonly policy: PolicyName | "published-gate";
  /** In the grammar of `--forecaster`; none where the policy needs none, or the truth is known. */
  readonly forecaster?: string;
  readonly knowledge: Knowledge;
  readonly strategy: SearchConfig["strategy"];
  /** Instead of the policy's own number. */
  readonly proposalsPerParent?: number;
}

/** What `ours` is: the best that ships. The arms beside it differ from it in one thing each. */
const ours = {
  policy: "gate",
  forecaster: "adapt:auto",
  knowledge: "run",
  strategy: searchDefaults.strategy,
} as const;

/** What forecasts before a run has taught anything. */
const untaught = { forecaster: "auto", knowledge: "start" } as const;

/** Every child has a tournament of its own, and is measured. */
const evolution = { tournament: 3, population: 16 } as const;

const blind = { knowledge: "run", strategy: searchDefaults.strategy } as const;

const namedArms: Readonly<Record<string, Omit<Arm, "name">>> = {
  "measure-all": { policy: "measure-all", ...blind },
  "random-subset": { policy: "random-subset", ...blind },
  evolutionary: { policy: "measure-all", knowledge: "run", strategy: evolution, proposalsPerParent: 1 },
  // As published, its forecasts know nothing of the search.
  "published-gate": { ...ours, ...untaught, policy: "published-gate" },
  static: { ...ours, forecaster: "static" },
  "no-adaptation": { ...ours, ...untaught },
  ours,
  "oracle-calibration": { ...ours, knowledge: "task-calibration" },
  "oracle-adaptation": { ...ours, knowledge: "task-outcomes" },
  oracle: { policy: ours.policy, knowledge: "truth", strategy: ours.strategy },
};

/** Arms that every bench has: what the others are compared with, and what can be reached at most. */
const always = ["measure-all", "oracle"] as const;

/** What is compared when nothing is named. */
export const usualArms: readonly string[] = Object.keys(namedArms);

const policies: readonly string[] = [...policyNames, "published-gate"];

/**
 * The arms that a user names: one of the table, `recorded:FILE[#NAME]` (ours with recorded forecasts), or `POLICY:FORECASTER`; those
 * that are always there are added. Throws `KernelcastError("usage", …)`.
 */
export function chooseArms(names: readonly string[]): Arm[] {
  const [all, oracle] = always;
  return [...new Set([all, ...names, oracle])].map(parseArm);
}

function parseArm(name: string): Arm {
  const known = Object.hasOwn(namedArms, name) ? namedArms[name] : undefined;
  if (known) return { name, ...known };
  const mark = name.indexOf(":");
  const kind = name.slice(0, Math.max(0, mark));
  if (kind === "recorded") return withForecaster(name, ours.policy, name);
  if (policies.includes(kind)) return withForecaster(name, kind as Arm["policy"], name.slice(mark + 1));
  const hint = suggestion(name, usualArms);
  throw new KernelcastError(
    "usage",
    `--arms ${name}: unknown (known: ${usualArms.join(", ")}, recorded:FILE, POLICY:FORECASTER such as top-k:static)${hint}`,
  );
}

function withForecaster(name: string, policy: Arm["policy"], forecaster: string): Arm {
  checkForecaster(forecaster);
  if (namesModel(forecaster)) {
    throw new KernelcastError(
      "usage",
      `--arms ${name}: thousands of searches would ask a language model again and again; keep its forecasts with kernelcast forecast --save, and give recorded:FILE`,
    );
  }
  return { ...ours, name, policy, forecaster };
}

/** What an arm's searches go by: two arms of equal keys search alike, whatever they are called. */
export function armKey({ name: _name, ...arm }: Arm): string {
  const { forecaster = "" } = arm;
  const [file = ""] = forecaster.slice(forecaster.indexOf(":") + 1).split("#");
  return sha256Hex(canonicalJson([arm, digestPath(recordingFolder(file))])).slice(0, 16);
}

/** The arm's policy on a task. */
export function armPolicy({ policy, proposalsPerParent }: Arm, { seedScreenUs }: BenchTask): Policy {
  const made = policy === "published-gate" ? publishedGate(seedScreenUs) : createPolicy(policy);
  return proposalsPerParent === undefined ? made : { ...made, proposalsPerParent };
}

/** What the arm forecasts a task with; `open` gives the forecaster of a name, the same one every time. */
export async function armForecaster(
  { knowledge, forecaster }: Arm,
  benchTask: BenchTask,
  open: (name: string) => Promise<Forecaster>,
): Promise<Forecaster | undefined> {
  if (knowledge === "truth") return truthForecaster(benchTask);
  if (forecaster === undefined) return undefined;
  const opened = await open(forecaster);
  switch (knowledge) {
    case "start":
      return unadapted(opened, benchTask);
    case "task-calibration":
      return fullyCalibrated(opened, benchTask);
    case "task-outcomes":
      return fullyAdapted(opened, benchTask);
    default:
      return opened;
  }
}
