"""An MCP server with one tool, over stdin and stdout."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("weather")


@server.tool()
def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


if __name__ == "__main__":
    server.run("stdio")
