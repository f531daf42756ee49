"""Tools from outside: MCP servers that an operator has attached.

`schema` and `listing` turn what a server says about its tools into declarations, `snapshot` keeps
them as a file, `asking` speaks with a server through a process of its own (`talk`). Whatever comes
from a server is data to be judged, today and again at each later use.
"""
