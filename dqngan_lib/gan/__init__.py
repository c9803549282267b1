"""Generative adversarial networks.

Read `losses`, `penalties`, `networks`, `model`, `training`; then `ring`, `wasserstein`, `latent`.
`plots` and `widgets` show the game.
"""
