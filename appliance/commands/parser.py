"""What `haversack` takes on its command line."""

from __future__ import annotations

import argparse

from appliance import __version__

_LLM = "let an OpenAI-compatible engine at a base camp write (HAVERSACK_LLM)"


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
    serve.add_argument("--api", metavar="WHO", help="programs that may use the server: keys (unless told), open or off (HAVERSACK_API)")
    serve.add_argument("--share", action="store_true", default=None, help="let guests on the local network in, with a password (HAVERSACK_SHARE)")
    serve.add_argument("--llm", metavar="URL", help=_LLM)
    serve.add_argument("--vectors", metavar="URL", help="search vectors in a base camp's Chroma server (HAVERSACK_VECTORS)")

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
        _add_documents(command)
        command.add_argument("--questions", metavar="FILE", help="one a line, or JSON lines with `question`; answers in JSON lines")
        if name == "ask":
            command.add_argument("--preset", metavar="NAME", help="exact, balanced or free")
            _add_settings(command, "a parameter, as `haversack models show` names them; can be given again")
            command.add_argument("--model", metavar="NAME", help="answer with this model of the shelf")
            command.add_argument("--llm", metavar="URL", help=_LLM)
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
    _add_models(commands, printing)
    compare = commands.add_parser("compare", parents=[printing], help="one question, several models or settings, side by side")
    compare.add_argument("question", nargs="?", metavar="QUESTION")
    compare.add_argument("--collection", required=True, metavar="NAME")
    compare.add_argument("--model", action="append", metavar="NAME", help="a model of the shelf; can be given again, and as NAME:PRESET")
    _add_documents(compare)
    _add_settings(compare, "a parameter of all of them, as `haversack models show` names them; can be given again")
    compare.add_argument("--together", action="store_true", help="let them answer at the same time, where memory holds them all")
    compare.add_argument("--questions", metavar="FILE", help="one a line, or JSON lines with `question`")
    compare.add_argument("--export", metavar="FILE", help="write the table: .csv, .md or .json")
    keys = commands.add_parser("keys", help="keys for programs that use the local server").add_subparsers(dest="action", required=True)
    keys.add_parser("list", parents=[printing], help="the keys' names, and when each was used")
    for name, what in (("add", "make a key and print it, once"), ("remove", "let its program in no more")):
        keys.add_parser(name, parents=[printing], help=what).add_argument("name", metavar="NAME")
    commands.add_parser("energy", parents=[printing], help="what answering and reading has cost, and how that is known")
    mcp = commands.add_parser("mcp", parents=[common], help="serve search, ask and read-page to another program, as MCP over stdio")
    mcp.add_argument("--collection", metavar="NAME", help="only this collection")
    update = commands.add_parser("update", parents=[printing], help="bring the bundle up to a newer one, or by a delta")
    update.add_argument("source", metavar="BUNDLE", help="the newer bundle's folder, or a delta's file")
    update.add_argument("--allow-downgrade", action="store_true", help="take an older bundle, too")
    commands.add_parser("status", parents=[printing], help="what is where, and whether a page is being served")
    return parser


def _add_documents(command: argparse.ArgumentParser) -> None:
    command.add_argument("--document", action="append", metavar="NAME", help="only in this document; can be given again")


def _add_settings(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--set", action="append", metavar="NAME=VALUE", help=what)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser], printing: argparse.ArgumentParser) -> None:
    models = commands.add_parser("models", help="the shelf: see, add, remove and choose language models").add_subparsers(dest="action", required=True)
    models.add_parser("list", parents=[printing], help="every model, with what it needs and how fast it is here")
    show = models.add_parser("show", parents=[printing], help="all that is known of one model, and its parameters")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--modelfile", metavar="FILE", help="write it as an Ollama Modelfile")
    show.add_argument("--measure", action="store_true", help="measure its speed here, again")
    add = models.add_parser("add", parents=[printing], help="check a model and put it on the shelf: a GGUF file, an Ollama Modelfile or model store")
    add.add_argument("file", metavar="FILE")
    add.add_argument("--name", metavar="NAME", help="what it is to be called")
    add.add_argument("--tag", metavar="MODEL:TAG", help="which model of an Ollama model store")
    add.add_argument("--licence", metavar="ID", help="its licence, where the file doesn't say")
    models.add_parser("remove", parents=[printing], help="take an added model off the shelf, and its file off the disk").add_argument(
        "name", metavar="NAME"
    )
    use = models.add_parser("use", parents=[printing], help="choose the model that answers, or that serves another purpose")
    use.add_argument("name", nargs="?", default="", metavar="NAME")
    use.add_argument("--none", action="store_true", help="take the choice back, instead of a NAME")
    use.add_argument("--purpose", metavar="PURPOSE", default="answering", help="answering (unless told), summarising, rewriting or translating")


def _limit(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("it must be a whole number from 1 to 1000")
    return number
