"""One core, many cores, two processes, many runs (notebook 15).

Read `timing`, then `distributed`, then `study`.
"""
