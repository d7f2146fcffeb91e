"""Runs Kernel Tuner's strategies over its cache files in its simulation mode and writes which configurations each tried.

One line of JSON for each run: {space, strategy, seed, tried, seconds, fault?}; `tried` holds places in the cache file, in the
order in which the configurations were first asked for. What that is worth is for `npm run results:kernel-tuner` to say, for all arms alike.
A run that is in the file already is not made again.
"""

import argparse
import contextlib
import gzip
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import warnings

import kernel_tuner
import numpy
from kernel_tuner import interface, util

TIMINGS = ("compile_time", "verification_time", "benchmark_time")


class Trace(dict):
    """A cache that remembers the order in which its entries were first read."""

    def __init__(self, entries, limit):
        super().__init__(entries)
        self.limit = limit
        self.tried = {}

    def __getitem__(self, key):
        if len(self.tried) < self.limit:
            self.tried.setdefault(key)
        return super().__getitem__(key)


class Space:
    """One cache file, read once. The search space is built for each run, since some strategies reorder it."""

    def __init__(self, path):
        with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
            text = file.read().strip()
        try:
            self.content = json.loads(text)
        except json.JSONDecodeError:
            self.content = json.loads(text.rstrip(",") + "}\n}")
        names = self.content["tune_params_keys"]
        entries = self.content["cache"]
        self.places = {key: place for place, key in enumerate(entries)}
        self.points = {tuple(entry[name] for name in names) for entry in entries.values()}
        kept = {*names, *TIMINGS, "time", "__error__"}
        slim = {key: {name: entry[name] for name in entry if name in kept} for key, entry in entries.items()}
        handle, self.path = tempfile.mkstemp(suffix=".json")
        with os.fdopen(handle, "w") as file:
            json.dump({**self.content, "objective": "time", "cache": slim}, file)
        self.entries = util.read_cache(self.path, open_cache=False)["cache"]

    def allows(self, *values, **named):
        return (tuple(named.values()) if named else values) in self.points


def run(space, strategy, seed, limit, timeout):
    """The places of the configurations that were tried, and what went wrong, if anything."""
    trace = Trace(space.entries, limit)
    interface.util.process_cache = lambda *_: trace
    random.seed(seed)
    numpy.random.seed(seed)
    content = space.content
    parameters = {name: content["tune_params"][name] for name in content["tune_params_keys"]}
    # brute_force, alone, takes no limit.
    options = {} if strategy == "brute_force" else {"strategy_options": {"max_fevals": limit}}
    # Processor time: what else the machine does must not cut a run short.
    signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, timeout)
    fault = None
    start = time.process_time()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interface.tune_kernel(
                content["kernel_name"], "", content.get("problem_size", 1), [], parameters, restrictions=named(space, parameters),
                lang="C", simulation_mode=True, cache=space.path, strategy=strategy, seed=seed, quiet=True, **options)
    except util.StopCriterionReached:
        pass
    except Exception as error:  # a strategy that cannot run is told of, not hidden
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - start
    tried = [space.places[key] for key in trace.tried]
    return {"tried": tried, "seconds": round(seconds, 3), **({"fault": fault} if fault else {})}


def too_long(*_):
    raise TimeoutError("the strategy did not end in time")


def named(space, parameters):
    """The one restriction: what was never measured is not in the space. Parameters go by name."""
    names = ", ".join(parameters)
    return [eval(f"lambda {names}: allows({names})", {"allows": space.allows})]


def work(task):
    path, name, strategy, seeds, limit, timeout = task
    cached = work.spaces
    if path not in cached:
        cached.clear()
        cached[path] = Space(path)
    lines = []
    for seed in seeds:
        answer = run(cached[path], strategy, seed, limit, timeout)
        lines.append({"space": name, "strategy": strategy, "seed": seed, "limit": limit, **answer})
        if answer.get("fault") and not answer["tried"]:
            break
    return lines


work.spaces = {}


def space_name(path):
    folder, file = os.path.split(os.path.abspath(path))
    return f"{os.path.basename(folder)}/{file.removesuffix('.gz').removesuffix('.json')}"


def done_already(path):
    done = set()
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                entry = json.loads(line)
                done.add((entry.get("space"), entry.get("strategy"), entry.get("seed"), entry.get("limit")))
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("caches", nargs="+", help="cache files, .json or .json.gz")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--limit", type=int, default=400, help="configurations to try at most")
    parser.add_argument("--strategies", help="names with commas between; by default all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=120, help="seconds of processor time that one run may take")
    arguments = parser.parse_args()
    strategies = (arguments.strategies or ",".join(interface.strategy_map)).split(",")
    out_path = os.path.abspath(arguments.out)
    done = done_already(out_path)
    tasks = []
    for path in map(os.path.abspath, arguments.caches):
        for strategy in strategies:
            name = space_name(path)
            seeds = [seed for seed in range(1, arguments.seeds + 1) if (name, strategy, seed, arguments.limit) not in done]
            if seeds:
                tasks.append((path, name, strategy, seeds, arguments.limit, arguments.timeout))
    # Some strategies leave files in the current folder.
    os.chdir(tempfile.mkdtemp())
    with open(out_path, "a") as out, multiprocessing.Pool(arguments.jobs) as pool:
        for lines in pool.imap(work, tasks):
            for line in lines:
                out.write(json.dumps({**line, "kernel_tuner": kernel_tuner.__version__}) + "\n")
            out.flush()
            first = lines[0]
            fault = f": {first['fault']}" if "fault" in first else ""
            print(f"{first['space']} {first['strategy']}: {len(lines)} runs, {sum(line['seconds'] for line in lines):.1f} s{fault}", file=sys.stderr)


if __name__ == "__main__":
    main()
