"""The embedder (onnxruntime) and the generator (llama.cpp in a child process), as the bundle holds them."""
