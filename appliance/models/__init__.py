"""The embedder (onnxruntime) and the generator (llama.cpp in a child process), as the bundle holds them."""

import os

# Read once, when onnxruntime is imported; `appliance.offline.environment` sets it too, but a bundle is built and an embedder tested without
# that. Otherwise onnxruntime sends telemetry, and keeps what it can't send in ~/.cache/Microsoft.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
