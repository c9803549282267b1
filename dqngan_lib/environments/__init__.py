"""Worlds to act in, and how to play them.

Read `base`, `grid_world`, `rollout`, `tabular`; then `catch` and `pendulum`, which notebook 03
needs. `grid_plots` and `widgets` draw the grid world.
"""
