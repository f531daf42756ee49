"""What the command line draws: the same as the client, on standard error."""

from medley.client.drawing import Display, display, for_people, plan_tree, say

__all__ = ["Display", "display", "for_people", "plan_tree", "say"]
