"""Tiny checkpoints with random weights, in the layouts of the hub: one for each model family.

A file `rows_<family>.py` holds builders and the list `ROWS` of what is asked of the service with
them; `tests/e2e/test_rows.py` runs them all through one real service.
"""
