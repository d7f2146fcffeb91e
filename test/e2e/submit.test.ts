/** A search that waits for candidates, and other processes that hand them in, on the recorded H100. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import {
  mainDevice,
  submissionNumber,
  toWireLaunches,
  type RecordedKernel,
  type Recording,
  type Task,
} from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";
import { submit } from "../../src/serve/submit/submit.ts";
import type { SearchInput } from "../../src/search/events.ts";
import { openRunStore } from "../../src/store/sqlite-run-store.ts";
import { fixtures, hasWorkerPython, runCli, scratchFolder } from "./run-cli.ts";
import { parseAnswer as parse, submitTo, waitingSearchOf, type Waiting } from "./waiting-search.ts";

const scratch = scratchFolder("submit");
afterAll(() => scratch.remove());

let atlas: Recording;
let task: Task;
let device: string;
/** Kernels of the task that were measured: right ones, the fastest first, and one that was wrong. */
let right: readonly RecordedKernel[];
let wrong: RecordedKernel;

beforeAll(async () => {
  atlas = await loadRecording("atlas", { tasks: ["softmax-f32"] });
  task = atlas.tasks.get("softmax-f32")?.task as Task;
  device = mainDevice(atlas) ?? "";
  const measured = atlas.measurements("softmax-f32", device);
  const medianUs = ({ kernel }: RecordedKernel): number => measured.get(kernel.kernelId)?.runtime?.medianUs ?? Infinity;
  const kernels = atlas.kernels("softmax-f32").filter(({ kernel }) => kernel.kernelId !== task.seedKernel.kernelId);
  right = kernels.filter((one) => Number.isFinite(medianUs(one))).toSorted((a, b) => medianUs(a) - medianUs(b));
  wrong = kernels.find(({ kernel }) => measured.get(kernel.kernelId)?.status === "incorrect") as RecordedKernel;
});

function runtimeOf({ kernel }: RecordedKernel): number {
  return atlas.measurements("softmax-f32", device).get(kernel.kernelId)?.runtime?.medianUs ?? Number.NaN;
}

/** The arguments that hand a recorded kernel in: its source, launches and options, as files. */
function handIn({ kernel }: RecordedKernel, change: (source: string) => string = (source) => source): string[] {
  const base = scratch.next();
  writeFileSync(`${base}.cu`, change(kernel.source));
  writeFileSync(`${base}.yaml`, stringify(toWireLaunches(kernel, task.workload)));
  const options = kernel.compileOptions.flatMap((option) => [`--compile-option=${option}`]);
  return [`${base}.cu`, "--launches", `${base}.yaml`, ...options];
}

/** The same with the launches in CUDA's own spelling. */
function handInSpelt(recorded: RecordedKernel): string[] {
  const [file = "", _flag, _launches, ...options] = handIn(recorded);
  const spelt = toWireLaunches(recorded.kernel, task.workload).map(
    ({ kernel, grid, block, smem_bytes: smem, args }) => {
      const given = args.map((argument) =>
        typeof argument === "string"
          ? argument
          : Object.entries(argument)
              .map(([type, value]) => `${type}(${value})`)
              .join(),
      );
      return ["--launch", `${kernel}<<<(${grid.join(", ")}), (${block.join(", ")}), ${smem}>>>(${given.join(", ")})`];
    },
  );
  return [file, ...spelt.flat(), ...options];
}

const waitingSearch = (workspace: string, ...more: string[]): Promise<Waiting> =>
  waitingSearchOf("softmax-f32", workspace, ...more);

/** Numbers of the submissions that a run took, in the order taken. */
function taken(workspace: string): (number | undefined)[] {
  const store = openRunStore(join(workspace, "kernelcast.sqlite"));
  try {
    return [...store.events("mine")].flatMap(({ type, payload }) =>
      type === "proposal-end"
        ? (payload as Extract<SearchInput, { type: "proposal-end" }>).candidates.map(({ origin }) =>
            submissionNumber(origin),
          )
        : [],
    );
  } finally {
    store.close();
  }
}

describe("candidates from other processes", () => {
  it("are forecast, decided, measured and answered, until none follow", async () => {
    const { workspace, result } = await waitingSearch(scratch.next(), "--measurements", "20");
    const [fastest] = right as [RecordedKernel];
    const second = right.find((one) => runtimeOf(one) > 1.2 * runtimeOf(fastest)) as RecordedKernel;

    const first = await submitTo(workspace, ...handIn(second), "--idea", "a good one", "--wait");
    expect(first.stderr).toMatch(new RegExp(`kept as candidate ${second.kernel.kernelId}`));
    expect(first.code).toBe(0);
    expect(parse(first).candidates).toMatchObject([
      {
        submission: 1,
        kernel_id: second.kernel.kernelId,
        status: "ok",
        forecast: { p_ok: expect.any(Number), runtime_us: { p50: expect.any(Number) } },
        decision: { action: "measure" },
        measurement: { status: "ok", speedup: expect.any(Number) },
      },
    ]);
    // The screening's pass, or all passes once it is confirmed.
    const ratio = (parse(first).candidates[0]?.measurement?.runtime_us ?? 0) / runtimeOf(second);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.02);

    const again = await submitTo(workspace, ...handIn(second, (source) => `// once more\n${source}`), "--wait");
    expect(parse(again).candidates).toMatchObject([
      { submission: 2, status: "duplicate", duplicate_of: second.kernel.kernelId, duplicate_by: "text" },
    ]);
    const incorrect = await submitTo(workspace, ...handIn(wrong), "--wait");
    expect(parse(incorrect).candidates).toMatchObject([{ status: "failed", measurement: { status: "incorrect" } }]);
    const foreign = await submitTo(
      workspace,
      ...handIn(second, (source) => `${source}\n__device__ int unused_here;\n`),
      "--wait",
    );
    expect(parse(foreign).candidates).toMatchObject([
      { status: "failed", measurement: { status: "compile_error", error: expect.stringMatching(/not measured on/) } },
    ]);

    const parent = ["--parent", second.kernel.kernelId];
    const best = await submitTo(workspace, ...handIn(fastest), ...parent, "--wait");
    expect(parse(best).candidates).toMatchObject([{ submission: 5, status: "ok" }]);
    const done = await submitTo(workspace, "--done");
    expect({ code: done.code, document: parse(done) }).toMatchObject({
      code: 0,
      document: { done: true, candidates: [] },
    });

    const end = await result;
    expect(end.code).toBe(0);
    expect(parse(end)).toMatchObject({
      considered: 5,
      measured: 4,
      duplicates: 1,
      failed: 2,
      stopped: "no-more-proposals",
      best: { kernel_id: fastest.kernel.kernelId, confirmed: true },
    });
    const late = await submitTo(workspace, ...handIn(wrong));
    expect(late).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/kernelcast: run mine has ended; start another/),
    });
  });

  it("are not lost, and not taken twice, when the search is killed or does not run", async () => {
    const workspace = scratch.next();
    const before = await waitingSearch(workspace, "--measurements", "30");
    const [a, b, c, d] = right.slice(0, 4) as [RecordedKernel, RecordedKernel, RecordedKernel, RecordedKernel];
    expect((await submitTo(workspace, ...handIn(a), "--wait")).code).toBe(0);
    // Several submit at once, and the search dies at some moment of it.
    const storm = [b, c].map((kernel) => submitTo(workspace, ...handIn(kernel)));
    await Promise.race(storm);
    before.child.kill("SIGKILL");
    expect((await Promise.all(storm)).map(({ code }) => code)).toEqual([0, 0]);
    await before.result;
    const asleep = await submitTo(workspace, ...handIn(d));
    expect(parse(asleep).candidates).toMatchObject([{ submission: 4, status: "queued" }]);
    const after = await waitingSearch(workspace, "--measurements", "30");
    await submitTo(workspace, "--done");
    const end = await after.result;
    expect(parse(end)).toMatchObject({ run_id: "mine", considered: 4, measured: 5 });
    expect(taken(workspace).toSorted((x = 0, y = 0) => x - y)).toEqual([1, 2, 3, 4]);
  });

  it("come through the library as well, several at once, and are gated together", async () => {
    const { workspace, result } = await waitingSearch(
      scratch.next(),
      "--measurements",
      "20",
      "--policy",
      "top-k",
      "--proposer",
      "external:8",
    );
    const kernels = right.slice(0, 8).map(({ kernel }, index) => ({ name: `k${index}`, ...kernel }));
    const half = await submit({ workspace, runId: "mine", kernels: kernels.slice(0, 4) });
    expect(half.candidates.map(({ status, kernel_id: id }) => [status, id])).toEqual(
      kernels.slice(0, 4).map(({ kernelId }) => ["queued", kernelId]),
    );
    const rest = await submit({ workspace, runId: "mine", kernels: kernels.slice(4), wait: true, timeoutSeconds: 30 });
    const statuses = rest.candidates.map(({ status }) => status);
    expect(statuses.every((status) => status === "ok" || status === "skipped")).toBe(true);
    const store = openRunStore(join(workspace, "kernelcast.sqlite"));
    const actions = [...store.events("mine")].flatMap(({ type, payload }) =>
      type === "decision" ? [(payload as { decision: { action: string } }).decision.action] : [],
    );
    store.close();
    expect(actions.toSorted((x, y) => (x < y ? -1 : 1))).toEqual([
      ...Array(4).fill("measure"),
      ...Array(4).fill("skip"),
    ]);
    await submit({ workspace, runId: "mine", kernels: [], last: true });
    expect((await result).code).toBe(0);
  });
});

describe("a search that waits", () => {
  it("ends when its budget is spent, when nothing comes, and when its time is over", async () => {
    const measured = await waitingSearch(scratch.next(), "--measurements", "2");
    const answer = await submitTo(measured.workspace, ...handIn(right[0] as RecordedKernel), "--wait");
    expect(parse(answer).candidates).toMatchObject([{ status: "ok" }]);
    expect(parse(await measured.result)).toMatchObject({ measured: 2, stopped: "measurements" });
    const idle = await waitingSearch(scratch.next(), "--idle-timeout", "0.3");
    expect(parse(await idle.result)).toMatchObject({ measured: 1, stopped: "no-more-proposals" });
    const timed = await waitingSearch(scratch.next(), "--wall-seconds", "1");
    expect(parse(await timed.result)).toMatchObject({ measured: 1, stopped: "wallSeconds" });
  });

  it("stops at Ctrl-C, and is taken up again by the same command", async () => {
    const workspace = scratch.next();
    const waiting = await waitingSearch(workspace);
    waiting.child.kill("SIGINT");
    expect(await waiting.result).toMatchObject({ code: 130, stdout: "" });
    const again = await waitingSearch(workspace);
    const [fastest] = right as [RecordedKernel];
    const words = ["submit", "mine", "--workspace", workspace, ...handInSpelt(fastest), "--wait", "--done"];
    const answer = await runCli(words);
    expect(answer.stdout).toMatch(
      new RegExp(
        `: candidate ${fastest.kernel.kernelId}, ok; forecast .* µs, p_ok .*; .* µs, \\d+\\.\\d\\dx the seed's speed\n`,
      ),
    );
    expect(parse(await again.result)).toMatchObject({ run_id: "mine", measured: 2 });
  });
});

if (!hasWorkerPython) console.log("skipped: submitting to a live worker needs python3 with numpy");

describe.skipIf(!hasWorkerPython)("a search that waits on a live worker (its fake driver)", () => {
  it("measures what comes, and ends with its budget while another batch still waits", async () => {
    const folder = join(fixtures, "scale-vector");
    const flags = ["--device", "local", "--policy", "measure-all", "--measurements", "4"];
    const { workspace, result } = await waitingSearchOf(folder, scratch.next(), ...flags);
    const seed = readFileSync(join(folder, "seed.cu"), "utf8");
    const kernels = [1, 2, 3, 4].map((n) => ({ name: `k${n}`, source: `${seed}\n__device__ int unused_${n};\n` }));
    const request = { workspace, runId: "mine", wait: true, timeoutSeconds: 60 };
    const first = await submit({ ...request, kernels: kernels.slice(0, 2) });
    expect(first.candidates).toMatchObject([{ status: "ok" }, { status: "ok" }]);
    const rest = await submit({ ...request, kernels: kernels.slice(2) });
    expect(rest.candidates.map(({ status }) => status)).toEqual(["ok", "skipped"]);
    expect(parse(await result)).toMatchObject({ measured: 4, considered: 4, stopped: "measurements" });
  });
});

describe("what can be wrong with a submission", () => {
  const shared = scratch.next();
  let waiting: Waiting;
  const file = (text: string): string => {
    const path = `${scratch.next()}.cu`;
    writeFileSync(path, text);
    return path;
  };
  beforeAll(async () => {
    waiting = await waitingSearch(shared);
    await runCli(["search", "softmax-f32", "--measurements", "2", "--run", "other", "--workspace", shared, "--json"]);
  });
  afterAll(async () => {
    waiting.child.kill("SIGTERM");
    await waiting.result;
  });
  const seed = (): string => file(task.seedKernel.source);

  it.each<[string, () => string[], number, RegExp]>([
    [
      "no such run",
      () => ["nine", seed()],
      1,
      /no run named nine in .*; it takes candidates for mine; did you mean mine\?/,
    ],
    [
      "a run of another proposer",
      () => ["other", seed()],
      1,
      /run other takes no candidates: it was started with --proposer recorded/,
    ],
    ["no such file", () => ["mine", "absent.cu"], 1, /cannot read the kernel absent\.cu: no such file/],
    ["an empty source", () => ["mine", file("")], 1, /the source is empty/],
    ["host code", () => ["mine", file("int main() { return 0; }")], 1, /a main function; only device code is taken/],
    [
      "another function than the seed's launches name",
      () => ["mine", file('extern "C" __global__ void faster(float* y) {}')],
      1,
      /defines no __global__ function of that name \(it defines faster\).*give others with --launch/,
    ],
    [
      "a launch that cannot be read",
      () => ["mine", seed(), "--launch", "k(1)"],
      2,
      /--launch k\(1\): cannot be read; write it as/,
    ],
    ["an unknown parent", () => ["mine", seed(), "--parent", "feed"], 2, /--parent feed: run mine has no such kernel/],
    ["nothing to submit", () => ["mine"], 2, /name at least one CUDA source/],
    [
      "two ways to give launches",
      () => ["mine", seed(), "--launch", "k<<<1, 2>>>()", "--launches", "x"],
      2,
      /one of them/,
    ],
    ["a limit without waiting", () => ["mine", seed(), "--timeout", "3"], 2, /--timeout limits --wait/],
  ])("%s", async (_what, words, code, message) => {
    const result = await runCli(["submit", ...words(), "--workspace", shared, "--json"]);
    expect(result.stderr).toMatch(/^kernelcast: [^\n]+\n$/);
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
    const store = openRunStore(join(shared, "kernelcast.sqlite"));
    expect(store.submissions("mine").submissions).toEqual([]);
    store.close();
  });

  it("a workspace without runs is left as it is", async () => {
    const empty = scratch.next();
    const result = await runCli(["submit", "mine", seed(), "--workspace", empty]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/holds no runs; name the --workspace/) });
    expect(existsSync(empty)).toBe(false);
  });

  it("flags of the search that fit nothing", async () => {
    const search = (...more: string[]) => runCli(["search", "softmax-f32", "--workspace", scratch.next(), ...more]);
    expect(await search("--proposer", "external:none")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/as external:8/),
    });
    expect(await search("--idle-timeout", "5")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--idle-timeout is for --proposer external/),
    });
    expect(await search("--proposer", "external", "--proposer-recording", "atlas")).toMatchObject({ code: 2 });
  });

  it("waiting that ends before an answer", async () => {
    const path = file(task.seedKernel.source.replace(/$/, "\n// waits"));
    const workspace = scratch.next();
    const started = await waitingSearch(workspace);
    started.child.kill("SIGKILL");
    await started.result;
    const result = await runCli([
      "submit",
      "mine",
      path,
      "--wait",
      "--timeout",
      "0.5",
      "--workspace",
      workspace,
      "--json",
    ]);
    expect(result.code).toBe(1);
    expect(parse(result).candidates).toMatchObject([{ status: "queued" }]);
  });
});
