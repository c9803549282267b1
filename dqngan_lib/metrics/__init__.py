"""Scores of pictures and of whole generators.

Of digits: `scorer`, `frechet`, `digits`. Of anything: `neighbours`, `distributions`, `pictures`.
"""
