"""The command `haversack`: parses, calls, and is the one place that catches errors.

Exit codes: 0 done (a refusal is an answer), 1 something failed, 2 wrong usage, 3 the bundle is missing or altered.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

from appliance.commands.parser import build_parser
from appliance.config import Settings, load_settings
from appliance.errors import DiskFull, HaversackError
from appliance.offline import environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors become one sentence on stderr; a traceback only with --debug."""
    environment.prepare()
    signal.signal(signal.SIGTERM, _stop)
    given = build_parser().parse_args(arguments)
    debug = bool(given.debug)
    settings: Settings | None = None
    try:
        settings = load_settings(vars(given), os.environ)
        debug = debug or settings.debug
        code: int = _command(given.command)(settings, given)
        sys.stdout.flush()
    except HaversackError as error:
        return _say(error, str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        print("Stopped. What was done is kept; run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nothing is wrong, and nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            full = DiskFull(path=settings.home if settings else "the library")
            return _say(error, str(full), full.exit_code, debug)
        return _say(error, f"The system refused: {error.strerror or error}. Run again with --debug to see where.", 1, debug)
    except Exception as error:
        return _say(error, f"Something unexpected went wrong ({type(error).__name__}). Run again with --debug to see where.", 1, debug)
    return code


class _Command:
    """A command's function, its module imported only now: `haversack status` must not wait for what only `serve` needs."""

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function

    def __call__(self, settings: Settings, given: argparse.Namespace) -> int:
        from importlib import import_module

        code: int = getattr(import_module(f"appliance.commands.{self._module}"), self._function)(settings, given)
        return code


_COMMANDS = {
    "serve": _Command("serving", "serve"),
    "ingest": _Command("ingesting", "ingest"),
    "ask": _Command("asking", "ask"),
    "search": _Command("asking", "search"),
    "collections": _Command("keeping", "collections"),
    "documents": _Command("keeping", "documents"),
    "pack": _Command("packs", "pack"),
    "backup": _Command("upkeep", "backup"),
    "restore": _Command("upkeep", "restore"),
    "check": _Command("upkeep", "check"),
    "update": _Command("updating", "update"),
    "status": _Command("upkeep", "status"),
    "models": _Command("models", "models"),
    "compare": _Command("comparing", "compare"),
    "keys": _Command("keys", "keys"),
    "energy": _Command("energy", "energy"),
    "mcp": _Command("mcp", "mcp"),
}


def _command(name: str) -> _Command:
    return _COMMANDS[name]


def _say(error: BaseException, sentence: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(sentence, file=sys.stderr)
    return code


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
