import { availableParallelism } from "node:os";
import { createBell } from "./bell.ts";
import type { LlamaContext, LlamaModel, LlamaSequence } from "./llama-library.ts";

/** A sequence for the time of one request. */
export interface TakenSequence {
  readonly sequence: LlamaSequence;
  readonly leave: () => void;
}

/** Sequences of a model: each remembers what it read last, and reads what a prompt has in common with that only once. */
export interface LlamaSequences {
  /** The free sequence that remembers most of the prompt's beginning, with room for so many tokens. */
  take(prompt: readonly number[], room: number, signal: AbortSignal): Promise<TakenSequence>;
}

interface Place {
  readonly sequence: LlamaSequence;
  isTaken: boolean;
  /** When it was last left. */
  leftAt: number;
}

interface SequencesOptions {
  readonly model: LlamaModel;
  readonly count: number;
  /** Tokens that a sequence may come to hold. */
  readonly mostRoom: number;
  /** File of an adapter that is laid over the model. */
  readonly adapter: string | undefined;
}

const leastRoom = 2048;

/** Memory is claimed for the room that requests have needed so far, by powers of two, and not for all that the model could read. */
export function createLlamaSequences({ model, count, mostRoom, adapter }: SequencesOptions): LlamaSequences {
  const change = createBell();
  let context: LlamaContext | undefined;
  let places: readonly Place[] = [];
  let size = 0;
  let now = 0;

  const grow = async (room: number): Promise<void> => {
    await context?.dispose();
    context = undefined;
    [places, size] = [[], 0];
    const wanted = Math.min(mostRoom, Math.max(leastRoom, 2 ** Math.ceil(Math.log2(room))));
    const made = await model.createContext({
      contextSize: wanted,
      sequences: count,
      threads: availableParallelism(),
      ...(adapter === undefined ? {} : { lora: adapter }),
    });
    context = made;
    places = Array.from({ length: count }, () => ({ sequence: made.getSequence(), isTaken: false, leftAt: 0 }));
    size = wanted;
  };

  const choose = async (prompt: readonly number[], room: number, signal: AbortSignal): Promise<TakenSequence> => {
    signal.throwIfAborted();
    if (room > size) {
      while (places.some(({ isTaken }) => isTaken)) await change.wait(signal);
      await grow(room);
    }
    let free = freest(places, prompt);
    for (; !free; free = freest(places, prompt)) await change.wait(signal);
    const place = free;
    place.isTaken = true;
    const leave = (): void => {
      place.isTaken = false;
      place.leftAt = ++now;
      change.ring();
    };
    return { sequence: place.sequence, leave };
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    // One after the other, so that who needs more room is not overtaken for ever.
    take(prompt, room, signal) {
      const mine = last.then(() => choose(prompt, room, signal));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

function freest(places: readonly Place[], prompt: readonly number[]): Place | undefined {
  const remembered = (place: Place): number => place.sequence.compareContextTokens(prompt).firstDifferentIndex;
  return places
    .filter(({ isTaken }) => !isTaken)
    .map((place) => ({ place, tokens: remembered(place) }))
    .sort((a, b) => b.tokens - a.tokens || a.place.leftAt - b.place.leftAt)[0]?.place;
}
