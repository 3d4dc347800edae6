"""One module per family of formats: bytes in, `Conversion` out. They run only inside the worker process."""
