"""Want of memory, told as the setting to lower."""

from __future__ import annotations

from typing import Optional, Set

from .config import Config


def advice(cause: BaseException, command: str, config: Config) -> Optional[str]:
    """One line; none for a fault that is no want of memory. None of the settings named makes a run another one."""
    if not _is_want_of_memory(cause):
        return None
    inside = _functions(cause)
    if "load_base" in inside:
        return f"the model, with weights of {config.model.dtype}, does not fit into memory: take a smaller one, or bfloat16"
    if "judge" in inside:
        return f"out of memory while judging: lower judge.batch (it is {config.judge.batch}); {_go_on(command)}"
    if "write_answers" in inside:
        return f"out of memory while answers are drawn: lower rl.sample_batch (it is {config.rl.sample_batch}); {_go_on(command)}"
    rows = config.rows_per_pass
    less = f"lower rows_per_pass (it is {rows})" if rows > 1 else "rows_per_pass is 1 already"
    if command == "sft" and not config.model.checkpointing:
        less += ", or set model.checkpointing" if rows > 1 else "; set model.checkpointing"
    return f"out of memory while learning: {less}; {_go_on(command)}"


def _go_on(command: str) -> str:
    return "then the same command goes on" if command in ("sft", "rl") else "then give the same command again"


def _is_want_of_memory(cause: BaseException) -> bool:
    said = str(cause).lower()
    return isinstance(cause, MemoryError) or "out of memory" in said or "can't allocate memory" in said


def _functions(cause: BaseException) -> Set[str]:
    """The names of the functions that were under way."""
    names, trace = set(), cause.__traceback__
    while trace is not None:
        names.add(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names
