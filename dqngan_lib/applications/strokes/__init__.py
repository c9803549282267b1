"""Digits drawn with strokes (notebook 10).

Read `drawing`, `canvas`, `networks`; then `opinions`, `finished` and `training`, for a judge of
finished pictures. `plots` and `widgets` show a drawing on its way.
"""
