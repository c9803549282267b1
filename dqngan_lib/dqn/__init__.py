"""Deep Q-Networks.

Read `networks`, `replay`, `agent`, `training`; `variants` has what notebook 03 compares.
"""
