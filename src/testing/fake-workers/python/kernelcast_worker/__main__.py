"""The smallest worker: greets, and shows where and how it was started. For tests of the ways to start one."""

import json
import os
import sys


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        result = {"protocol": 1, "python": sys.executable, "checks": []}
        if request["method"] == "hello":
            result["worker_version"] = json.dumps({"file": os.path.abspath(__file__), "args": sys.argv[1:]})
        print(json.dumps({"id": request["id"], "result": result}), flush=True)
        if request["method"] == "shutdown":
            break


main()
