/** The real worker process with its fake device (`--fake`), behind the real client. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { makeKernel, type Kernel, type Task } from "../domain/index.ts";
import { deviceContract } from "../testing/device-contract.ts";
import { screening, smallTask } from "../testing/fake-workers/scripted.ts";
import { examine } from "./doctor.ts";
import { openWorkerDevice } from "./open-worker-device.ts";
import type { Receipt, WorkerDevice } from "./worker-device.ts";

const usable = spawnSync("python3", ["-c", "import numpy"]).status === 0;
if (!usable) console.warn("skipped: the real worker (no python3 with numpy here)");

const task: Task = { ...smallTask, boundaryWorkloads: [{ ...smallTask.workload }] };

/** A kernel that does on the fake device what its marks say. */
function marked(name: string, ...marks: string[]): Kernel {
  const { seedKernel, workload } = task;
  const lines = [seedKernel.source, `// ${name}`, ...marks.map((mark) => `// fake: ${mark}`)];
  return makeKernel({ ...seedKernel, source: `${lines.join("\n")}\n` }, workload.sizes);
}

function open(options: Partial<Parameters<typeof openWorkerDevice>[0]> = {}): Promise<WorkerDevice> {
  return openWorkerDevice({ kind: "local", detail: "", jobs: 2, workerArgs: ["--fake", "ok"], ...options });
}

/** The process id of this process's child with the given word in its command line. */
function ownChild(word: string): number {
  const listed = spawnSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" }).stdout;
  return Number.parseInt(listed.split("\n").find((line) => line.includes(word)) ?? "", 10);
}

describe.skipIf(!usable)("the real worker", () => {
  deviceContract(
    "worker",
    {
      task,
      ok: [marked("fast", "runtime_us=50"), marked("slow", "runtime_us=100")],
      compileError: marked("broken", "compile_error"),
      failing: [
        { kernel: marked("wrong", "wrong_output"), status: "incorrect" },
        { kernel: marked("sticky", "sticky_error"), status: "launch_error" },
        { kernel: marked("dies", "die_mid_line"), status: "crashed" },
        { kernel: marked("mumbles", "nonsense"), status: "crashed" },
        { kernel: marked("hangs", "hang"), status: "timeout" },
        { kernel: marked("impossible", "runtime_us=0.0001"), status: "suspicious" },
      ],
      open: () => open(),
    },
    { describe, it, expect },
  );

  it("gives receipts that hold what was measured", async () => {
    const receipts: Receipt[] = [];
    const device = await open({ onReceipt: (receipt) => receipts.push(receipt) });
    const measurement = await device.measure({ ...screening("r1", marked("fast", "runtime_us=50")), task });
    await device.close();
    expect(measurement).toMatchObject({ status: "ok", receiptSha256: receipts[0]?.sha256 });
    expect(JSON.parse(receipts[0]?.text ?? "")).toMatchObject({ request_id: "r1", mode: "screen" });
  });

  it("goes on when its supervisor is killed in the middle of a measurement", async () => {
    const notes: string[] = [];
    const device = await open({ onNote: (line) => notes.push(line), backOffMs: 1 });
    await device.measure({ ...screening("r0"), task });
    const waiting = [1, 2, 3].map((index) => device.measure({ ...screening(`r${index}`, marked(`k${index}`)), task }));
    process.kill(ownChild("kernelcast_worker"), "SIGKILL");
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    expect(notes.join()).toContain("was ended by SIGKILL");
    await device.close();
  });

  it("passes the doctor", async () => {
    const checks = await examine({ kind: "local", detail: "", workerArgs: ["--fake", "ok"], workspace: "." });
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["node", "worker", "driver", "numpy", "measured"]),
    );
  });
});
