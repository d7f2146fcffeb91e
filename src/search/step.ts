import type { SearchCommand, SearchNote } from "./events.ts";
import type { SearchState } from "./state.ts";

/** What one input led to: commands to carry out, and conclusions to log with the input. */
export interface Step {
  readonly commands: readonly SearchCommand[];
  readonly notes: readonly SearchNote[];
}

/** Collects a step's outcome; commands are registered as pending when they are issued. */
export interface StepBuilder {
  readonly commands: SearchCommand[];
  readonly notes: SearchNote[];
}

/** Registers a command as pending and hands it out. */
export function issue(state: SearchState, step: StepBuilder, command: SearchCommand): void {
  state.pending.set(command.commandId, { command, issuedAt: state.now });
  step.commands.push(command);
}
