"""Run by the clients' own Python: the official MCP client, unmodified, starts `haversack mcp` and uses it. Prints JSON.

Arguments: the mode ("legacy" for the handshake, "auto" for what the client chooses by itself), then the command.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(mode: str, command: list[str]) -> None:
    told = []

    async def progress(done: float, _total: float | None, message: str | None) -> None:
        told.append((done, message))

    server = stdio_client(StdioServerParameters(command=command[0], args=command[1:]))
    async with Client(server, mode=mode) as client:
        tools = (await client.list_tools()).tools
        # The client compares each result with its tool's schema, and raises where it doesn't fit.
        found = await client.call_tool("search", {"query": "repair of the pump", "collection": "wells"})
        answer = await client.call_tool("ask", {"question": "Who repaired the pump at Kidatu?", "collection": "wells"}, progress_callback=progress)
        page = await client.call_tool("read_page", {"document": "well.md", "collection": "wells"})
        collections = await client.call_tool("list_collections", {})
        wrong = await client.call_tool("search", {"query": "pump", "collection": "lakes"})
        print(
            json.dumps(
                {
                    "version": client.protocol_version,
                    "server": client.server_info.name,
                    "tools": [tool.name for tool in tools],
                    "found": found.structured_content,
                    "answer": answer.structured_content,
                    "page": page.structured_content,
                    "collections": collections.structured_content,
                    "wrong": [wrong.is_error, wrong.content[0].text],
                    "told": told,
                }
            )
        )


asyncio.run(main(sys.argv[1], sys.argv[2:]))
