"""Slices of a brain (notebook 13).

Read `slices`, `head_start`, `tissue`, `lesions`, `widgets`, `medmnist`.
"""
