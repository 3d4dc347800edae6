"""Loads each file that it is told on stdin and has it write two tokens, in a fork of its own; says on stdout how that one ended. For tests."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from appliance.models.engine import Engine, EngineFailed
from appliance.models.parameters import Sampling

REFUSED = 3
SECONDS = 20


def load(file: Path) -> int:
    try:
        engine = Engine(file, 128, 1, 1)
        engine.read(list(range(60, 72)), lambda done, total: None)
        for _, _ in zip(range(2), engine.write(engine.sampler(Sampling())), strict=False):
            pass
    except EngineFailed:
        return REFUSED
    return 0


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            signal.alarm(SECONDS)
            os._exit(load(Path(line.rstrip("\n"))))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
