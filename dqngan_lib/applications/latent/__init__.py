"""Walks through a generator's noise (notebook 12).

Read `steering`, then `rivals`.
"""
