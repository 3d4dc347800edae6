"""`python llama_server.py …`: llama_cpp.server as it comes, once llama.cpp's code for this processor is registered.

Our wheel of llama.cpp has one library for each kind of processor, and nothing in llama_cpp.server looks for them.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from llama_cpp import llama_cpp as low

own = Path(low.__file__).parent
folder = next((place for place in (own / "lib", own.parent / "bin") if any(place.glob("*ggml-cpu-*"))), None)
if folder is not None:
    load = low._lib.ggml_backend_load_all_from_path
    load.argtypes, load.restype = [ctypes.c_char_p], None
    load(os.fsencode(folder))

if __name__ == "__main__":
    from llama_cpp.server.__main__ import main

    main()
