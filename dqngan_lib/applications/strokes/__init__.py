"""Digits drawn with strokes (notebook 10).

Read `drawing`, `canvas`, `networks`, `opinions`, `finished`.
"""
