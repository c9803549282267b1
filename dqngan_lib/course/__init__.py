"""What every notebook stands on: seeds, claims, data, checks of arguments, bars, checkpoints.

Read `runtime`, then `data` and `results`, then `training`. `arguments` has the checks behind every
error, `hardware` and `installation` look at the machine, `widgets` is for things to play with.
"""
