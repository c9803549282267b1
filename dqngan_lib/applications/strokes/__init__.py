"""Digits drawn with strokes (notebook 10).

Read `drawing`, `canvas`, `networks`, `opinions`, `finished`. `plots` and `widgets` show a drawing
on its way.
"""
