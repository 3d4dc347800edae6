"""The carried machine has no PyTorch, and none of what a bundle is built with: the appliance never misses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

REFUSE = """
import sys

BUILD_TIME = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "safetensors", "onnx", "bundle"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BUILD_TIME:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
for name in BUILD_TIME:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{name} can still be imported")
"""

EMBED = """
from pathlib import Path
from appliance.integrity import verify_model
from appliance.manifest import read_manifest
from appliance.models.embedder import Embedder

manifest = read_manifest(Path(sys.argv[1]))
model = manifest.model("embedder")
verify_model(manifest, model)
embedder = Embedder(manifest.folder(model), model, threads=1)
well, wells, song = embedder.embed_documents(["The well is dry.", "No water is left in the well.", "She sang until midnight."])
question = embedder.embed_query("Is there water?")
assert question.shape == (embedder.dimensions,)
assert question @ wells > question @ song and question @ well > question @ song
"""


@pytest.mark.parametrize("journey", [EMBED], ids=["embed"])
def test_it_works_where_nothing_of_the_build_is_installed(journey: str, bundle_root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", REFUSE + journey, str(bundle_root)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
