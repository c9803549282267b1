"""Deep Q-Networks.

Read `networks`, `replay`, `agent`, `training`; for notebook 03 `prioritized_replay`, and `variants`
that it compares. `plots` draws for notebook 02.
"""
