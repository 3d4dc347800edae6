"""Bytecode beforehand: the first start is then as quick as the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Python marks what is referred to twice, and that depends on all that the process did before; sets are written in the order of their
# hashes. So: a process of its own, one file after the other, and no random seed. FAT's coarse times would outdate it, so times don't count.
_COMPILE = """
import compileall, py_compile, sys
compileall.compile_dir(sys.argv[1], quiet=2, stripdir=sys.argv[1], invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def compile_folder(folder: Path) -> None:
    """Write a `.pyc` for every `.py` in it: the same bytes for the same files, wherever they lie. What can't be compiled goes without."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([sys.executable, "-S", "-c", _COMPILE, str(folder)], env={**environment, "PYTHONHASHSEED": "0"}, check=True)
