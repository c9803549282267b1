"""Digits drawn with strokes (notebook 10).

Read `drawing`, `canvas`, `networks`. `plots` and `widgets` show a drawing on its way.
"""
