"""Agents that speak the Model Context Protocol: each of their calls is a job of their tenant."""
