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

from appliance import __version__
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


def build_parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", metavar="FOLDER", help="where the library is kept (HAVERSACK_HOME)")
    common.add_argument("--portable", action="store_true", default=None, help="keep the library with the bundle (HAVERSACK_PORTABLE)")
    common.add_argument("--bundle", metavar="FOLDER", help="the bundle with the models (HAVERSACK_BUNDLE)")
    common.add_argument("--port", metavar="N", help="the page's port, 8765 unless told (HAVERSACK_PORT)")
    common.add_argument("--threads", metavar="N", help="CPU threads for the models, all cores unless told (HAVERSACK_THREADS)")
    common.add_argument("--trust", metavar="FINGERPRINT", help="open bundles of this key too, from now on (HAVERSACK_TRUST)")
    common.add_argument("--debug", action="store_true", default=None, help="show tracebacks (HAVERSACK_DEBUG)")
    printing = argparse.ArgumentParser(add_help=False, parents=[common])
    printing.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")

    parser = argparse.ArgumentParser(prog="haversack", description="Ask your own documents, with no network.", parents=[common])
    parser.add_argument("--version", action="version", version=f"haversack {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", parents=[common], help="serve the page on this machine")
    serve.add_argument("--open", action="store_true", help="open it in the browser")

    ingest = commands.add_parser("ingest", parents=[printing], help="put files and folders into a collection")
    ingest.add_argument("paths", nargs="+", metavar="PATH")
    ingest.add_argument("--collection", required=True, metavar="NAME")
    ingest.add_argument("--password", metavar="WORD", help="for encrypted files")

    for name, words, what in (
        ("ask", "QUESTION", "answer a question from a collection, with citations"),
        ("search", "QUERY", "show the passages that fit a query"),
    ):
        command = commands.add_parser(name, parents=[printing], help=what)
        command.add_argument("question", nargs="?", metavar=words)
        command.add_argument("--collection", required=True, metavar="NAME")
        command.add_argument("--document", action="append", metavar="NAME", help="only in this document; can be given again")
        command.add_argument("--questions", metavar="FILE", help="one a line, or JSON lines with `question`; answers in JSON lines")
        if name == "search":
            command.add_argument("--limit", type=_limit, default=10, metavar="N", help="how many passages, 10 unless told")

    collections = commands.add_parser("collections", help="list, rename or remove collections").add_subparsers(dest="action", required=True)
    collections.add_parser("list", parents=[printing], help="the collections of the library")
    rename = collections.add_parser("rename", parents=[printing], help="give a collection another name")
    rename.add_argument("name")
    rename.add_argument("new_name")
    collections.add_parser("remove", parents=[printing], help="delete a collection and all that is in it").add_argument("name")

    documents = commands.add_parser("documents", help="list documents, see what was read of them, remove them")
    actions = documents.add_subparsers(dest="action", required=True)
    for name, what in (("list", "the documents of a collection"), ("ledger", "what was read of each, and what was not, and why")):
        actions.add_parser(name, parents=[printing], help=what).add_argument("--collection", required=True, metavar="NAME")
    remove = actions.add_parser("remove", parents=[printing], help="delete a document: text, vectors, keywords and original")
    remove.add_argument("name")
    remove.add_argument("--collection", required=True, metavar="NAME")

    packs = commands.add_parser("pack", help="collections as single files, to be carried").add_subparsers(dest="action", required=True)
    create = packs.add_parser("create", parents=[printing], help="write a collection into one signed file")
    create.add_argument("collection", metavar="COLLECTION")
    create.add_argument("file", metavar="FILE")
    create.add_argument("--without-originals", action="store_true", help="only texts, vectors and keywords: pages can't be shown as pictures")
    create.add_argument("--key", metavar="KEYFILE", help="sign with this key instead of the library's own")
    opening = packs.add_parser("open", parents=[printing], help="read a pack where it lies, now and at every start")
    merging = packs.add_parser("merge", parents=[printing], help="copy a pack's documents into a collection")
    merging.add_argument("--collection", metavar="NAME", help="into this one; the pack's own name unless told")
    for command in (opening, merging):
        command.add_argument("file", metavar="FILE")
        command.add_argument("--re-embed", action="store_true", help="embed it again where it was made with another embedding model")
    packs.add_parser("list", parents=[printing], help="the packs that are open, and those on the bundle")
    packs.add_parser("close", parents=[printing], help="don't read a pack any more; its file stays").add_argument("name", metavar="NAME")

    commands.add_parser("backup", parents=[printing], help="write the whole library into one file").add_argument("file", metavar="FILE")
    commands.add_parser("restore", parents=[printing], help="bring a library back from a backup").add_argument("file", metavar="FILE")
    check = commands.add_parser("check", parents=[printing], help="check bundle, library and silence, and say what is wrong")
    check.add_argument("--repair", action="store_true", help="make damaged keyword indexes again from the texts")
    update = commands.add_parser("update", parents=[printing], help="bring the bundle up to a newer one, or by a delta")
    update.add_argument("source", metavar="BUNDLE", help="the newer bundle's folder, or a delta's file")
    update.add_argument("--allow-downgrade", action="store_true", help="take an older bundle, too")
    commands.add_parser("status", parents=[printing], help="what is where, and whether a page is being served")
    return parser


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
}


def _command(name: str) -> _Command:
    return _COMMANDS[name]


def _limit(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("it must be a whole number from 1 to 1000")
    return number


def _say(error: BaseException, sentence: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(sentence, file=sys.stderr)
    return code


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
