"""How many kernels per second one worker screens: python3 tools/throughput.py REQUESTS RESPONSES --out FILE.

From a file of requests and the responses of an earlier pass it takes the kernels that were ok and fast, measures them
again in one worker and reports kernels per second, how long the runner had nothing to do, where its time went, and how
far the two passes disagree.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kernelcast_worker.client import Client
from kernelcast_worker.stats import median, quantile

Key = Tuple[str, str]


def lines(path: str) -> List[Dict[str, Any]]:
    """The messages of a JSON Lines file; a last line that was cut off is left out."""
    found = []
    for line in Path(path).read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            print(f"{path}: a line that is not JSON was left out", file=sys.stderr)
    return found


def medians(responses: List[Dict[str, Any]], most_us: float) -> Dict[Key, float]:
    """Median microseconds of the kernels that were ok and at most so slow, by task and kernel."""
    found = {}
    for message in responses:
        result = message.get("result") or {}
        if result.get("status") == "ok" and result["runtime_us"]["median"] <= most_us:
            found[result["receipt"]["task_key"], result["kernel_id"]] = float(result["runtime_us"]["median"])
    return found


def key_of(params: Dict[str, Any]) -> Key:
    """What identifies a kernel across passes."""
    return params["task_key"], params["kernel"]["kernel_id"]


def choose(requests: List[Dict[str, Any]], known: Dict[Key, float], most: int) -> Tuple[List[Any], List[Any]]:
    """The tasks that are needed, and the measurements of known kernels, in the order of the requests."""
    chosen = [one["params"] for one in requests if one["method"] == "measure" and key_of(one["params"]) in known][:most]
    tasks = [one["params"] for one in requests if one["method"] == "task"]
    return tasks, chosen


def measure(client: Client, tasks: List[Any], chosen: List[Any]) -> List[Tuple[float, Dict[str, Any]]]:
    """Sends everything at once; (seconds since the start, result) in order of arrival."""
    started = time.monotonic()
    for params in tasks:
        client.ask("task", params)
    waiting = {client.send("measure", {**params, "request_id": f"throughput-{i}"}) for i, params in enumerate(chosen)}
    arrived: List[Tuple[float, Dict[str, Any]]] = []
    for message in client.messages():
        waiting.discard(message["id"])
        arrived.append((time.monotonic() - started, message.get("result") or {"status": "error", **message["error"]}))
        if not waiting:
            break
    return arrived


def phases(results: List[Dict[str, Any]]) -> Dict[str, float]:
    """Mean milliseconds of the runner's phases."""
    total: Dict[str, float] = {}
    for result in results:
        for name, ms in result["receipt"].get("phases_ms", {}).items():
            total[name] = total.get(name, 0.0) + ms
    return {name: round(ms / len(results), 3) for name, ms in total.items()}


def disagreement(results: List[Dict[str, Any]], known: Dict[Key, float]) -> Dict[str, float]:
    """How far the medians of the two passes lie apart, as shares."""
    apart = []
    for result in results:
        before = known[result["receipt"]["task_key"], result["kernel_id"]]
        apart.append(abs(math.log(result["runtime_us"]["median"] / before)))
    return {"median": round(median(apart), 5), "p90": round(quantile(apart, 0.9), 5), "most": round(max(apart), 5)}


def report(arrived: List[Tuple[float, Dict[str, Any]]], known: Dict[Key, float]) -> Dict[str, Any]:
    """The figures. The runner is idle when no measurement is under way in it."""
    results = [result for _, result in arrived]
    good = [result for result in results if result["status"] == "ok"]
    first, last = arrived[0][0], arrived[-1][0]
    busy = sum(result.get("cost", {}).get("gpu_seconds", 0.0) for result in results[1:])
    found: Dict[str, Any] = {
        "kernels": len(results),
        "ok": len(good),
        "kernels_per_s": round((len(results) - 1) / (last - first), 2) if last > first else None,
        "kernels_per_s_with_start": round(len(results) / last, 2),
        "start_s": round(first, 2),
        "seconds": round(last, 2),
        "runner_idle_share": round(1 - busy / (last - first), 4) if last > first else None,
        "others": [f"{one.get('kernel_id')}: {one.get('error') or one.get('message')}" for one in results if one["status"] != "ok"],
    }
    if good:
        found["gpu_ms_per_kernel"] = round(1000 * sum(one["cost"]["gpu_seconds"] for one in good) / len(good), 2)
        found["phases_ms"] = phases(good)
        found["samples_per_kernel"] = round(sum(one["runtime_us"]["n"] for one in good) / len(good), 2)
        found["repeated_samples"] = sum(one["receipt"].get("repeated_samples", 0) for one in good)
        found["disagreement"] = disagreement(good, known)
    return found


def main() -> int:
    """Measures and prints; exit 1 when a kernel that was ok is not any more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requests")
    parser.add_argument("responses")
    parser.add_argument("--out", required=True, help="the figures as JSON")
    parser.add_argument("--most-us", type=float, default=200.0, help="kernels up to this median")
    parser.add_argument("--most", type=int, default=10**9, help="at most so many kernels")
    parser.add_argument("--worker", default="", help="flags for the worker, separated by spaces")
    options = parser.parse_args()
    known = medians(lines(options.responses), options.most_us)
    tasks, chosen = choose(lines(options.requests), known, options.most)
    if not chosen:
        print("no kernel of the requests was ok and fast in the responses", file=sys.stderr)
        return 2
    client = Client(options.worker.split())
    arrived = measure(client, tasks, chosen)
    client.close()
    found = report(arrived, known)
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0 if found["ok"] == found["kernels"] else 1


if __name__ == "__main__":
    sys.exit(main())
