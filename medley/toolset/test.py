"""Tools for tests and operators only (`MEDLEY_TEST_TOOLS=1`)."""

from medley.tools import Tool

TEST_TOOLS: tuple[Tool, ...] = ()
