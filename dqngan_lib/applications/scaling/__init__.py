"""One core, many cores, two processes (notebook 15).

Read `timing`, then `distributed`.
"""
