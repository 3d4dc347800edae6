"""A seal can't be taken off: everything here is tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

_BEFORE = """
import atexit, ctypes, errno, json, os, signal, socket, subprocess, sys, threading, time
from appliance.errors import NetworkRefused
from appliance.offline.filter import ALLOW, ASK, REFUSE, FilterFailed, Rule, install, restrict
from appliance.offline.seal import Seal

libc = ctypes.CDLL(None, use_errno=True)

class Seal(Seal):
    def __init__(self, helper):
        super().__init__(helper)
        atexit.register(self.close)

def native(family=socket.AF_INET):
    "What the C library says to a new socket: 0, or the error's name."
    descriptor = libc.socket(int(family), int(socket.SOCK_STREAM), 0)
    return 0 if descriptor >= 0 else errno.errorcode[ctypes.get_errno()]

def tried(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return type(error).__name__ + (" " + errno.errorcode[error.errno] if error.errno else "")
    return "went through"

def tell(value):
    print(json.dumps(value), flush=True)
"""


@pytest.fixture
def start_alone() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a new process, with helpers at hand; it is killed where it outlives the test."""
    with ExitStack() as stack:

        def start(code: str, **environment: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", _BEFORE + code],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def run_alone(start_alone: Callable[..., subprocess.Popen[str]]) -> Callable[..., Any]:
    """Run it to its end; what it `tell`s last comes back."""

    def run(code: str, **environment: str) -> Any:
        process = start_alone(code, **environment)
        said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert errors == ""
        return json.loads(said.splitlines()[-1])

    return run
