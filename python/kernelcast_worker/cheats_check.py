"""`python3 -m kernelcast_worker.cheats_check [--out FILE]`: every cheat of the corpus through the real worker on the real device.

Exit 0 only if each cheat is caught by name and each honest kernel passes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, Dict, List

from .client import Client
from .controls import as_kernel, judge_cheat, judge_honest, load_index


def run_all(client: Client) -> List[Dict[str, Any]]:
    """One result per corpus entry."""
    index = load_index()
    keys = {name: client.ask("task", {"task": task})["task_key"] for name, task in index["tasks"].items()}
    sent = {}
    for entry in index["kernels"]:
        params = {"request_id": f"cheat-{entry['name']}", "task_key": keys[entry["task"]], "kernel": as_kernel(entry)}
        params.update(mode="screen", limits=entry.get("limits", {}))
        sent[entry["name"]] = client.send("measure", params)
    results = []
    for entry in index["kernels"]:
        answer = client.wait(sent[entry["name"]])
        results.append(judge(entry, answer))
        print_line(results[-1])
    return results


def judge(entry: Dict[str, Any], answer: Dict[str, Any]) -> Dict[str, Any]:
    """A corpus entry's result with the whole answer."""
    content = answer.get("result") or {"status": "error", "error": f"{answer['error']['code']}: {answer['error']['message']}"}
    result = judge_cheat(entry, content) if entry.get("expect") else judge_honest(entry, content)
    result["answer"] = content
    return result


def print_line(result: Dict[str, Any]) -> None:
    """One line for people."""
    verdict = "caught" if result["ok"] and result["expected"] != "ok" else ("ok" if result["ok"] else "MISSED")
    print(f"{verdict:7} {result['name']:22} expected {result['expected']:30} got: {result['detail']}", flush=True)


def main() -> int:
    """Runs the check."""
    parser = argparse.ArgumentParser(prog="kernelcast_worker.cheats_check")
    parser.add_argument("--out", help="write all answers here as JSON")
    options = parser.parse_args()
    started = time.monotonic()
    client = Client(["--skip-controls"])
    try:
        results = run_all(client)
    finally:
        client.close()
    if options.out:
        with open(options.out, "w") as file:
            json.dump(results, file, indent=1)
    missed = [result["name"] for result in results if not result["ok"]]
    print(f"{len(results) - len(missed)} of {len(results)} as expected in {time.monotonic() - started:.1f} s", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
