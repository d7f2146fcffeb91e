import type { StepListener } from "../search/replay.ts";
import type { SearchState } from "../search/state.ts";
import { coloursFor } from "./colours.ts";
import type { CliContext } from "./context.ts";

/** Shows a run as it goes: one live line on a terminal, quiet lines elsewhere; on standard error, so that results stay clean. */
export interface Progress {
  readonly listener: StepListener;
  /** Shows one line that stays. */
  readonly note: (line: string) => void;
  close(): void;
}

/** Measurements between two quiet lines. */
const quietEvery = 50;

export function createProgress({ process }: CliContext): Progress {
  const { stderr } = process;
  return stderr.isTTY ? liveProgress(stderr, coloursFor(process, stderr).green) : quietProgress(stderr);
}

type Sink = CliContext["process"]["stderr"];

function quietProgress(sink: Sink): Progress {
  let reported = 0;
  return {
    listener: (state, _input, step) => {
      const won = step.notes.some(({ type }) => type === "incumbent-change");
      if (!won && state.counts.measured < reported + quietEvery) return;
      reported = state.counts.measured;
      sink.write(`${statusLine(state)}\n`);
    },
    note: (line) => sink.write(`${line}\n`),
    close: () => undefined,
  };
}

function liveProgress(sink: Sink, highlight: (text: string) => string): Progress {
  let open = false;
  return {
    listener: (state, _input, step) => {
      for (const line of wins(state, step.notes, highlight)) sink.write(`\r\u001b[K${line}\n`);
      const width = (sink.columns ?? 80) - 1;
      sink.write(`\r\u001b[K${statusLine(state).slice(0, width)}`);
      open = true;
    },
    note: (line) => sink.write(`\r\u001b[K${line}\n`),
    close: () => {
      if (open) sink.write("\r\u001b[K");
      open = false;
    },
  };
}

function wins(
  state: SearchState,
  notes: Parameters<StepListener>[2]["notes"],
  highlight: (text: string) => string,
): readonly string[] {
  const seedUs = state.candidates.get(state.seedId)?.measurement?.runtime.medianUs;
  return notes.flatMap((note) => {
    if (note.type !== "incumbent-change" || note.previousId === null || seedUs === undefined) return [];
    const speedup = (seedUs / note.runtimeUs).toFixed(2);
    return [`${highlight("faster")} ${note.kernelId} ${note.runtimeUs.toFixed(1)} µs (${speedup}x the seed)`];
  });
}

/** One line of where a run stands. */
function statusLine(state: SearchState): string {
  const { counts, config } = state;
  const incumbent = state.incumbentId === undefined ? undefined : state.candidates.get(state.incumbentId)?.measurement;
  const seed = state.candidates.get(state.seedId)?.measurement;
  const limit = config.budget.measurements;
  const measured = limit === undefined ? `${counts.measured}` : `${counts.measured}/${limit}`;
  const best =
    incumbent && seed
      ? `best ${incumbent.runtime.medianUs.toFixed(1)} µs (${(seed.runtime.medianUs / incumbent.runtime.medianUs).toFixed(2)}x)`
      : "measuring the seed";
  return `${config.taskId}: measured ${measured}, considered ${counts.considered}, ${best}`;
}
