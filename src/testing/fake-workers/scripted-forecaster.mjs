// A forecaster that does what it is told: at its start by its first argument, per request by the task's description, a JSON
// list of steps: {say: text, "$ID" standing for the request's id}, {wait: ms}, {exit: code}, {complain: text}, {good: true}.
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const [hello = '{"id":"$ID","protocol":1}', log] = process.argv.slice(2);

function forecast({ kernel_id }) {
  return { kernel_id, p_ok: 0.5, runtime_us: { p10: 90, p50: 100, p90: 120 } };
}

async function carryOut(step, request) {
  if (step.wait) await sleep(step.wait);
  if (step.complain) process.stderr.write(`${step.complain}\n`);
  if (step.say !== undefined) process.stdout.write(`${step.say.replaceAll("$ID", request.id)}\n`);
  if (step.good)
    process.stdout.write(`${JSON.stringify({ id: request.id, forecasts: request.candidates.map(forecast) })}\n`);
  if (step.exit !== undefined) process.exit(step.exit);
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (log) appendFileSync(log, `${line}\n`);
  if (request.hello) process.stdout.write(`${hello.replaceAll("$ID", request.id)}\n`);
  else for (const step of JSON.parse(request.task.description)) await carryOut(step, request);
}
