"""What is kept: the store (SQLite, the truth), keywords, vectors (a rebuildable cache), ledger, conversations, health."""
