"""Helpers of the course: what a notebook has built and explained, kept for the notebooks after it.

A small core, and under applications/ what one part of the course alone needs. Each module is one
idea and reads from top to bottom. README.md beside this file is the map.

Read the rooms in the order of their imports, which go one way:
`course` ← `plots` ← `environments`, `metrics` ← `dqn`, `gan` ← `dqngan` ← `applications`.
"""

__version__ = "1.0.0"
