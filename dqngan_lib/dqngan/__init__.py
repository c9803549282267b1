"""The two together: a generator that is a Deep Q-Network.

Read `rewards`, `settings`, `sampler`, `agent`, `play`, `training`; `enumeration`, `printer`,
`smearing` and `paths` for notebook 08, `patch_canvas`, `networks` and `trained` for notebook 09.
"""
