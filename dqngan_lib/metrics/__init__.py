"""Scores of pictures and of whole generators.

Read `scorer`, `scores`, then `neighbours` and `pictures`.
"""
