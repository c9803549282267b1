"""Helpers of the course: what a notebook has built and explained, kept for the notebooks after it.

Each module is one idea and reads from top to bottom. Imports go one way:
`data`, `runtime` → `networks` → `dqn`, `environments` → `plots`, `widgets`, `exercises`.
"""

__version__ = "0.1.0"
