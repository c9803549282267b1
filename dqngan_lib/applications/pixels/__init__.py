"""Every pixel an agent (notebooks 11 to 13).

Read `filters`, `editor`, `networks`, `agent`, `critic`.
"""
