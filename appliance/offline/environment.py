"""Variables that keep libraries from going out by themselves. A courtesy to them, not a promise to the user: the seal is that."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

OFFLINE = {
    "ANONYMIZED_TELEMETRY": "False",  # Chroma
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_OFFLINE": "1",
    # onnxruntime 1.29 and later send telemetry from every official build: without this, version 1.32 was seen to look a name up at each
    # start, and to keep what it could not send in ~/.cache/Microsoft, for any other program with onnxruntime to send later.
    "ORT_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",  # Chroma carries OpenTelemetry
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "SCARF_NO_ANALYTICS": "true",
    "TRANSFORMERS_OFFLINE": "1",
}
REMOVED = ("ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "SOCKS_PROXY", "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Ways out and passwords for them. Proxies are known in small letters too."""
_SETTINGS_OF_CHROMA = "CHROMA_"
"""Chroma reads its settings from these: CHROMA_API_IMPL or CHROMA_SERVER_HOST would make a local client a remote one."""


def prepare(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set them, for this process and for those it starts. Before any heavy import: libraries read them once."""
    environment.update(OFFLINE)
    unwanted = {*REMOVED, *(name.lower() for name in REMOVED)}
    for name in [name for name in environment if name in unwanted or name.startswith(_SETTINGS_OF_CHROMA)]:
        del environment[name]
