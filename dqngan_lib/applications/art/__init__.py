"""A painter of photographs (notebook 14), and a widget that paints objects out of them (12).

Read `brushes`, `networks`, `painter`, `patches`, `training`, `trained`; then `planning` and
`style`. `photos` and `palettes` prepare a picture; `looks`, `animations`, `plots` and `widgets`
show a painting. `painting_out` is notebook 12's.
"""
