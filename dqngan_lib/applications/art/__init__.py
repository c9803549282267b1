"""A painter of photographs (notebook 14).

Read `brushes`, `networks`, `painter`, `training`; then `style`.
"""
