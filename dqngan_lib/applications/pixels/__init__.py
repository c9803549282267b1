"""Every pixel an agent (notebooks 11 to 13).

Read `filters`, `editor`, `networks`, `agent`; then `restoration`, `fax` and `fax_rivals` for
notebook 11, `inpainting` and `critic` for notebook 12. `plots`, `drawing` and `widgets` show what
pixels do.
"""
