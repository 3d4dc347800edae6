"""A base camp: an engine or a Chroma server on the local network, reached through one broker process and by nothing else."""
