from __future__ import annotations

import subprocess
import sys

from appliance.offline import environment


def test_every_offline_variable_is_set_and_every_way_out_is_removed() -> None:
    variables = {"HTTP_PROXY": "http://proxy:3128", "https_proxy": "http://proxy:3128", "HF_TOKEN": "secret", "HF_HUB_OFFLINE": "0", "HOME": "/h"}
    environment.prepare(variables)
    assert variables == {**environment.OFFLINE, "HOME": "/h"}


def test_chroma_is_not_made_a_remote_one_by_a_variable() -> None:
    variables = {"CHROMA_SERVER_HOST": "example.com", "CHROMA_API_IMPL": "chromadb.api.fastapi.FastAPI"}
    environment.prepare(variables)
    assert not [name for name in variables if name.startswith("CHROMA_")]


def test_doing_it_twice_is_the_same_as_once() -> None:
    once: dict[str, str] = {}
    environment.prepare(once)
    twice = dict(once)
    environment.prepare(twice)
    assert once == twice


def test_chroma_believes_it() -> None:
    code = "from appliance.offline import environment; environment.prepare(); import chromadb; print(chromadb.Settings().anonymized_telemetry)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_line_prepares_it_before_anything_heavy_is_imported() -> None:
    code = "import sys, appliance.cli; print([name for name in ('chromadb', 'onnxruntime', 'flask', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
