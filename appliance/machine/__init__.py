"""The machine that carries us: what it is (`look`), and what of that will be slow or go wrong (`judge`)."""
