"""A painter of photographs (notebook 14).

Read `brushes`, `networks`, `painter`, `patches`, `training`, `trained`; then `planning` and
`style`. `photos` and `palettes` prepare a picture; `looks`, `animations`, `plots` and `widgets`
show a painting.
"""
