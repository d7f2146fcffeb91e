import {
  submissionOrigin,
  type Candidate,
  type Proposal,
  type Proposer,
  type Submission,
  type Submissions,
} from "../domain/index.ts";

export interface ExternalProposerOptions {
  /** What was submitted after the number given. */
  readonly inbox: (after: number) => Submissions;
  /** Submissions that an earlier process took, by number. */
  readonly taken: ReadonlySet<number>;
  /** Parent of candidates that name none. */
  readonly seedId: string;
  /** Candidates to wait for before any is handed on, so that a policy may choose among them (default 1). */
  readonly atLeast?: number;
  /** Seconds without a new candidate after which none is expected any more; for ever by default. */
  readonly idleSeconds?: number;
  /** Called when it begins to wait. */
  readonly onWait?: () => void;
  readonly pollSeconds?: number;
}

/**
 * Proposes what other programs hand in, in the order handed in, whatever parent is asked for. Where nothing is there it waits: until
 * a candidate comes, the submitter says that none will follow, nothing has come for `idleSeconds`, or the run's time is over.
 */
export function externalProposer(options: ExternalProposerOptions): Proposer {
  const { idleSeconds = Number.POSITIVE_INFINITY, pollSeconds = 0.1 } = options;
  const queue = createQueue(options);
  const ended = new AbortController();
  /** Askings that wait: a run has several batches under way. */
  let waiters = 0;
  return {
    name: "external",
    waits: true,
    async propose({ count, secondsLeft = Number.POSITIVE_INFINITY }, signal) {
      const wanted = Math.min(options.atLeast ?? 1, count);
      const started = now();
      let heardAt = started;
      const look = (): Proposal | undefined => {
        signal?.throwIfAborted();
        if (queue.read()) heardAt = now();
        const idle = now() - heardAt >= idleSeconds;
        if (isDue(queue, wanted, idle || ended.signal.aborted)) return queue.handOn(count);
        return now() - started >= secondsLeft ? queue.handOn(0) : undefined;
      };
      const found = look();
      if (found) return found;
      if (waiters++ === 0) options.onWait?.();
      try {
        for (;;) {
          await pause(pollSeconds, signal, ended.signal);
          const came = look();
          if (came) return came;
        }
      } finally {
        waiters--;
      }
    },
    close() {
      ended.abort();
      return Promise.resolve();
    },
  };
}

/** Whether there is no reason to wait any longer. Once nothing is expected, the next parent is not waited for either. */
function isDue(queue: SubmissionQueue, wanted: number, over: boolean): boolean {
  if (over && queue.size === 0) queue.complete();
  return over || queue.isComplete || queue.size >= wanted;
}

/** What was submitted and not handed on. */
interface SubmissionQueue {
  readonly size: number;
  readonly isComplete: boolean;
  /** Nothing more is expected. */
  complete(): void;
  /** Takes up what is new; whether anything was. */
  read(): boolean;
  handOn(count: number): Proposal;
}

function createQueue({ inbox, taken, seedId }: ExternalProposerOptions): SubmissionQueue {
  const queue: Submission[] = [];
  let readTo = 0;
  let complete = false;
  return {
    get size() {
      return queue.length;
    },
    get isComplete() {
      return complete;
    },
    complete: () => {
      complete = true;
    },
    read() {
      const { submissions, complete: told } = inbox(readTo);
      const news = submissions.filter(({ number }) => !taken.has(number));
      queue.push(...news);
      readTo = submissions.at(-1)?.number ?? readTo;
      complete ||= told;
      return news.length > 0;
    },
    handOn(count) {
      const candidates = queue.splice(0, count).map((submission) => toCandidate(submission, seedId));
      return { candidates, exhausted: complete && queue.length === 0, cost: { cpuSeconds: 0, tokens: 0, usd: 0 } };
    },
  };
}

function toCandidate({ number, candidate }: Submission, seedId: string): Candidate {
  return { ...candidate, parentId: candidate.parentId ?? seedId, origin: submissionOrigin(number) };
}

/** Seconds on a clock that no one sets. */
function now(): number {
  return performance.now() / 1000;
}

/** Waits, or less where one of the signals is given. */
function pause(seconds: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, 1000 * seconds);
    for (const signal of signals) signal?.addEventListener("abort", done);
  });
}
