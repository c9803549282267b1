"""Digits drawn with strokes (notebook 10).

Read `drawing`, `canvas`, `networks`; `two_stages`, where a GAN imagines and a DQN copies;
`decoding`, how strokes are drawn when training is over; then `opinions`, `finished` and
`training`, for a judge of finished pictures; `trained` has the painter that this gives. `plots` and
`widgets` show a drawing on its way.
"""
