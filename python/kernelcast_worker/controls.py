"""Controls at the start: the measuring chain itself is measured before any result of it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from .protocol import RequestError

CHEATS = Path(__file__).parent / "cheats"
SAME_WITHIN = 0.03
SLOW_AT_LEAST = 2.0
#: Honest controls whose times are compared.
_TIMED = ("honest", "slow")


def load_index() -> Dict[str, Any]:
    """The corpus: tasks, honest kernels and cheats with what must be said of each."""
    index: Dict[str, Any] = json.loads((CHEATS / "index.json").read_text())
    for entry in index["kernels"]:
        entry["source"] = (CHEATS / entry["file"]).read_text()
    return index


def as_kernel(entry: Dict[str, Any]) -> Dict[str, Any]:
    """A corpus entry as the protocol's kernel."""
    kernel = {key: entry[key] for key in ("source", "launches")}
    kernel.update(kernel_id=entry["name"], compile_options=entry.get("compile_options", []))
    kernel["boundary_launches"] = entry.get("boundary_launches")
    return kernel


class Controls:
    """Runs the corpus's entries marked as controls as ordinary measurements; `ok` is None until all are answered."""

    def __init__(self, supervisor: Any) -> None:
        self._supervisor = supervisor
        options = supervisor.options
        self.skipped = "fake" if options.fake is not None else "skipped" if options.skip_controls else ""
        self.ok: Optional[bool] = True if self.skipped else None
        self.results: List[Dict[str, Any]] = []
        self._answers: Dict[str, Any] = {}
        self._started = False
        self._wanted: List[Dict[str, Any]] = []

    @property
    def state(self) -> str:
        """What receipts say of the controls: `ok`, or why nothing is known (`skipped`, `fake`), or `failed`, `running`."""
        return self.skipped or {True: "ok", False: "failed", None: "running"}[self.ok]

    def pump(self) -> None:
        """Queues the controls once the device is there."""
        if self.skipped or self._started or not self._supervisor.device.description:
            return
        self._started = True
        index = load_index()
        self._wanted = [entry for entry in index["kernels"] if entry.get("control")]
        keys = {name: self._supervisor.register(task) for name, task in index["tasks"].items()}
        for entry in self._wanted:
            for run in range(entry.get("runs", 1)):
                self._queue(entry, keys[entry["task"]], f"{entry['name']}#{run}")

    def _queue(self, entry: Dict[str, Any], key: str, name: str) -> None:
        params = {"request_id": f"control-{name}", "task_key": key, "kernel": as_kernel(entry), "mode": "screen"}
        params["limits"] = entry.get("limits", {})
        self._supervisor.add_job(params, lambda answer: self._done(name, answer), internal=True)

    def _done(self, name: str, answer: Any) -> None:
        self._answers[name] = answer
        if len(self._answers) == sum(entry.get("runs", 1) for entry in self._wanted):
            self._judge()

    def _judge(self) -> None:
        for entry in self._wanted:
            if entry.get("expect"):
                self.results.append(judge_cheat(entry, self._answers[f"{entry['name']}#0"]))
            elif entry["name"] not in _TIMED:
                self.results.append(judge_honest(entry, self._answers[f"{entry['name']}#0"]))
        self.results += self._judge_times()
        self.ok = all(result["ok"] for result in self.results)
        if not self.ok:
            self._supervisor.output.log("controls failed: " + self.failures(), "error")

    def _judge_times(self) -> List[Dict[str, Any]]:
        honest = [_median(self._answers.get(f"honest#{run}")) for run in range(2)]
        slow = _median(self._answers.get("slow#0"))
        if None in honest or slow is None:
            got = _describe_answer(self._answers.get("honest#0")) + "; slow: " + _describe_answer(self._answers.get("slow#0"))
            return [{"name": "honest kernels", "expected": "ok", "got": got, "ok": False, "detail": ""}]
        first, second = honest[0], honest[1]
        assert first is not None and second is not None
        ratio, slowdown = second / first, slow / first
        same: Dict[str, Any] = {"name": "same kernel twice", "expected": f"within {SAME_WITHIN:.0%}", "got": f"{ratio:.4f}"}
        same.update(ok=abs(ratio - 1) <= SAME_WITHIN, detail=f"{first} us, {second} us")
        slower: Dict[str, Any] = {"name": "slow kernel", "expected": f"at least {SLOW_AT_LEAST:g} x slower"}
        slower.update(got=f"{slowdown:.2f}", ok=slowdown >= SLOW_AT_LEAST, detail=f"{slow} us")
        return [same, slower]

    def failures(self) -> str:
        """The failed controls in one line."""
        failed = [f"{one['name']}: expected {one['expected']}, got {one['got']}" for one in self.results if not one["ok"]]
        return "; ".join(failed)


def judge_honest(entry: Dict[str, Any], answer: Any) -> Dict[str, Any]:
    """Whether a kernel that does nothing wrong passed."""
    got = _describe_answer(answer)
    return {"name": entry["name"], "expected": "ok", "got": got.split(",")[0], "ok": got.startswith("ok,"), "detail": got}


def judge_cheat(entry: Dict[str, Any], answer: Any) -> Dict[str, Any]:
    """Whether a cheat was caught by name."""
    expected = entry["expect"] if isinstance(entry["expect"], list) else [entry["expect"]]
    word = "" if isinstance(answer, RequestError) else str(answer.get("error", "")).split(":")[0]
    status = "" if isinstance(answer, RequestError) else answer["status"]
    caught = word in expected and status == entry.get("status", status)
    result = {"name": entry["name"], "expected": " or ".join(expected), "got": word or _describe_answer(answer), "ok": caught}
    result["detail"] = _describe_answer(answer)
    return result


def _median(answer: Any) -> Optional[float]:
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        return None
    return float(answer["runtime_us"]["median"])


def _describe_answer(answer: Any) -> str:
    if isinstance(answer, RequestError):
        return f"{answer.code}: {answer}"
    if not answer:
        return "no answer"
    if answer.get("status") == "ok":
        return f"ok, {answer['runtime_us']['median']} us"
    return f"{answer.get('status')}, {answer.get('error', '')}"
