"""Measures the quality of retrieval and answers on public sets: `python -m scripts.evaluate --data DIR`."""
