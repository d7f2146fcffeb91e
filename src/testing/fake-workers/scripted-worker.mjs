#!/usr/bin/env node
// A worker that speaks the protocol and misbehaves as its first argument says. Each start appends a line to the file that
// FAKE_WORKER_LOG names, and each request its method and id, so that tests see restarts and repeats.
import { appendFileSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [behaviour = "good", detail = ""] = (process.argv[2] ?? "").split(":");
const logFile = process.env.FAKE_WORKER_LOG;
const log = (line) => logFile && appendFileSync(logFile, `${line}\n`);
const starts = () =>
  readFileSync(logFile, "utf8")
    .split("\n")
    .filter((line) => line === "start").length;
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const knownTasks = new Set();

log("start");

const device = {
  name: "Scripted GPU",
  compute_capability: "9.0",
  multiprocessors: 132,
  memory_bytes: 8e10,
  l2_bytes: 5e7,
  max_threads_per_multiprocessor: 2048,
  registers_per_multiprocessor: 65536,
  shared_memory_per_multiprocessor: 233472,
  shared_memory_per_block: 232448,
  bandwidth: 3e12,
  flops: { f32: 6e13 },
  launch_floor_us: 4,
};

function measurement({ request_id, kernel }) {
  return {
    request_id,
    kernel_id: kernel.kernel_id,
    device: device.name,
    status: "ok",
    runtime_us: { median: 10, p10: 9, p90: 11, n: 3, samples: [9, 10, 11] },
    cost: { gpu_seconds: 0.01, cpu_seconds: 0.02 },
    receipt: { request_id, samples_us: [9, 10, 11] },
  };
}

const methods = {
  hello: () => ({ protocol: behaviour === "protocol" ? 99 : 1, worker_version: "scripted", checks: [] }),
  describe: () => ({ device, environment: {}, controls: [] }),
  task: ({ task }) => {
    knownTasks.add(`key-${task.task_id}`);
    return { task_key: `key-${task.task_id}` };
  },
  compile: ({ kernels }) => ({
    results: kernels.map(({ kernel_id }) => ({ kernel_id, ok: true, evidence: { regs: 32 } })),
  }),
  measure: measurement,
  cancel: () => ({ cancelled: true }),
  shutdown: () => ({}),
};

// What goes wrong when a request other than hello arrives; true: it is not answered as usual.
const faults = {
  "die-on": ({ params }) => params.kernel?.source.includes(detail) && process.exit(9),
  "die-once": () => starts() <= Number(detail) && process.exit(9),
  "mid-line": ({ id, method }) => {
    if (method !== "measure") return false;
    process.stdout.write(`{"id":"${id}","result":{"request_`, () => process.exit(3));
    return true;
  },
  nonsense: ({ method }) => method === "measure" && process.stdout.write("Segmentation fault (core dumped)\n"),
  wrong: ({ id, method }) => method === "measure" && (send({ id, result: { status: "splendid" } }), true),
  silent: ({ method }) => method === "measure",
  indescribable: ({ method }) => method === "describe",
  "stubborn-silent": ({ method }) => method === "measure",
  "huge-line": ({ method }) => {
    if (method !== "measure" || starts() > Number(detail)) return false;
    for (let i = 0; i < 100; i++) process.stdout.write("x".repeat(1 << 20));
    process.stdout.write("\n");
    return true;
  },
  forget: ({ id, method, params }) => {
    if (method !== "measure") return false;
    if (knownTasks.delete(params.task_key) && starts() > 0 && !params.kernel.source.includes("kept")) {
      send({ id, error: { code: "unknown_task", message: "no such task" } });
      return true;
    }
    return false;
  },
  refuse: ({ id, method }) => method === "measure" && (send({ id, error: { code: detail, message: "refused" } }), true),
};

function answer(request) {
  const { id, method, params } = request;
  log(`${method} ${id}`);
  if (method === "measure" && !knownTasks.has(params.task_key)) {
    return send({ id, error: { code: "unknown_task", message: "no such task" } });
  }
  if (method !== "hello" && method !== "shutdown" && faults[behaviour]?.(request)) return undefined;
  send({ id, result: methods[method](params) });
  if (behaviour === "twice") send({ id, result: methods[method](params) });
  if (method === "shutdown" && !stubborn) process.exit(0);
  return undefined;
}

const atStart = {
  "exit-zero": () => process.exit(0),
  "exit-one": () => {
    process.stderr.write("Traceback (most recent call last):\n  ...\nModuleNotFoundError: No module named 'nothing'\n");
    process.exit(1);
  },
  mute: () => setInterval(() => undefined, 1000),
  banner: () => process.stdout.write("Welcome to the cluster!\nYour quota: 3 %\n"),
};
atStart[behaviour]?.();
const stubborn = behaviour.startsWith("stubborn");
if (stubborn) {
  process.on("SIGTERM", () => undefined);
  // Not for ever: a test that kills its parent must leave nothing behind.
  setTimeout(() => process.exit(0), 15_000);
}

if (behaviour !== "mute") {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => answer(JSON.parse(line)));
  lines.on("close", () => stubborn || process.exit(0));
}
