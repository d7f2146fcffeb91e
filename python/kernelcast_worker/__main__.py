"""`python3 -m kernelcast_worker`: JSON Lines in, JSON Lines out."""

from __future__ import annotations

import argparse
import sys

from . import __version__


def parse_arguments() -> argparse.Namespace:
    """The worker's flags."""
    parser = argparse.ArgumentParser(
        prog="kernelcast_worker", description="The kernelcast GPU worker: JSON Lines on stdin and stdout."
    )
    parser.add_argument("--role", choices=["compile", "measure", "both"], default="both")
    parser.add_argument("--device", type=int, default=0, metavar="INDEX")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="compile processes; default: all cores but two")
    parser.add_argument("--driver", metavar="PATH", help="the CUDA driver library to load")
    parser.add_argument("--nvrtc", metavar="PATH", help="the NVRTC library to load")
    parser.add_argument("--fake", metavar="SCENARIO", help="a driver that executes nothing (tests)")
    parser.add_argument("--skip-controls", action="store_true", help="tests only; stated in receipts")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args()


def main() -> int:
    """Runs a worker."""
    options = parse_arguments()
    try:
        from .supervisor import Supervisor
    except ModuleNotFoundError as error:
        print(f"kernelcast_worker needs {error.name}: pip install {error.name}", file=sys.stderr)
        return 1
    return Supervisor(options).run()


if __name__ == "__main__":
    sys.exit(main())
