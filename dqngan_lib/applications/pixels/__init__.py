"""Every pixel an agent (notebooks 11 to 13).

Read `filters`, `editor`, `networks`, `agent`; then `restoration`, `fax` and `fax_rivals` for
notebook 11; `inpainting`, `critic` and `context_encoder` for notebook 12, which fills holes in
photographs with `exemplars`, `exemplar_world` and `photographs`. `plots`, `drawing` and `widgets`
show what pixels do.
"""
