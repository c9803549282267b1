"""What one part of the course alone needs; nothing in the core imports from here.

Read `strokes` and `pixels` first; `latent`, `medical`, `art` and `scaling` may build on them.
"""
