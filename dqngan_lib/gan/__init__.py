"""Generative adversarial networks.

Read `losses`, `penalties`, `networks`, `model`, `training`; then `ring` and `wasserstein`.
`plots` and `widgets` show the game.
"""
