"""Haversack as a tool of another program: the Model Context Protocol over standard input and output.

`wire.py` is JSON-RPC a line at a time, `server.py` the protocol's life cycle, `tools.py` what is offered. The official package does the
same for ten packages more and 3.2 s before the first word (docs/decisions/0014-mcp.md); here it only tests this one.
"""
