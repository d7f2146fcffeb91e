"""The runner process: holds the CUDA context, runs one job at a time, dies when the supervisor says so."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Dict, MutableMapping, Optional, Sequence

from .childio import Pipe, die_with_parent
from .execute import Cancelled
from .measure import AnchorFault, Measurement
from .probe import arch_of
from .session import Session


def open_driver(arguments: argparse.Namespace, pipe: Pipe) -> Any:
    """The real driver, or the one that executes nothing."""
    if arguments.fake is not None:
        from .fake.driver import FakeDriver

        return FakeDriver(arguments.fake, pipe.descriptor, arguments.work)
    from .driver import Driver

    return Driver(arguments.device, arguments.driver)


def harness_image(arguments: argparse.Namespace, capability: str) -> bytes:
    """The compiled harness, from the cache of this worker when it is there."""
    if arguments.fake is not None:
        return b'{"harness":true}'
    arch = arch_of(capability)
    cached = Path(arguments.work) / f"harness-{arch}.cubin"
    if not cached.exists():
        from .compiler import nvrtc_options
        from .nvrtc import Nvrtc

        source = Path(__file__).with_name("harness.cu").read_text()
        nvrtc = Nvrtc(arguments.nvrtc)
        image, _ = nvrtc.compile(source, nvrtc_options([], arch, nvrtc.version))
        part = cached.with_suffix(f".{os.getpid()}")
        part.write_bytes(image)
        part.replace(cached)
    return cached.read_bytes()


class Runner:
    """Answers `describe` and `measure`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handle(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """One job's answer."""
        if request["op"] == "describe":
            device = self._session.describe(request.get("known"))
            return {"device": device, "environment": self._session.environment.read(), "facts": self._session.facts}
        measurement = Measurement(self._session, request["job"])
        try:
            answer: Dict[str, Any] = {"result": measurement.run()}
        except Cancelled:
            answer = {"cancelled": True}
        except AnchorFault as fault:
            answer = {"refused": f"the anchor fails: {fault}"}
        return {**answer, "fatal": measurement.fatal}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The runner's flags."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--driver")
    parser.add_argument("--nvrtc")
    parser.add_argument("--fake")
    return parser.parse_args(arguments)


def prepare(arguments: argparse.Namespace) -> None:
    """What a spare runner does ahead: loads the driver, but creates no context."""
    if arguments.fake is None:
        from .driver import initialise

        try:
            initialise(arguments.driver)
        except Exception:  # said by `start`, which meets it again
            pass


def start(arguments: argparse.Namespace, pipe: Pipe) -> Optional[Runner]:
    """Opens the device; says why when it cannot."""
    from .nvrtc import CompileError, NoCompiler

    try:
        driver = open_driver(arguments, pipe)
        facts = driver.facts()
        session = Session(driver, harness_image(arguments, f"{facts['major']}.{facts['minor']}"))
        session.executor.wait(30.0, candidate=False)
    except (NoCompiler, CompileError) as error:
        pipe.send({"failed": "no_compiler", "message": str(error)})
        return None
    except Exception as error:
        traceback.print_exc()
        pipe.send({"failed": "no_device", "message": f"{type(error).__name__}: {error}".splitlines()[0]})
        return None
    pipe.send({"ready": True})
    return Runner(session)


def set_environment(variables: MutableMapping[str, str]) -> None:
    """What the user's environment may not decide: code loaded at its first launch, or launches that wait for their end, would
    be timed with the kernel; every illegal address would write gigabytes of core."""
    variables["CUDA_MODULE_LOADING"] = "EAGER"
    variables.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    for name in ("CUDA_LAUNCH_BLOCKING", "CUDA_ENABLE_COREDUMP_ON_EXCEPTION", "CUDA_ENABLE_USER_TRIGGERED_COREDUMP"):
        variables.pop(name, None)


def main(arguments: Sequence[str]) -> None:
    """Runs as a child of the supervisor."""
    set_environment(os.environ)
    pipe = Pipe()
    die_with_parent()
    options, requests = parse(arguments), pipe.receive()
    prepare(options)
    if next(requests, None) is None:
        return
    runner = start(options, pipe)
    if runner is None:
        sys.exit(1)
    for request in requests:
        try:
            answer = runner.handle(request)
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        pipe.send(answer)
        if answer.get("fatal"):
            signal.pause()  # the context is lost: what was sent ahead is for the next runner, the supervisor ends this one
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
