"""The words of Medley: what a job, a plan, a tool, a part and an asset are. Imported by all,
imports none of ours.
"""

__version__ = "0.1.0"
