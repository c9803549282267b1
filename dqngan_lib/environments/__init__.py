"""Worlds to act in, and how to play them.

Read `worlds`, `rollout`, then `tabular`; `pendulum` and the drawings after them.
"""
