"""The same surroundings for every pytest in this folder, `pytest --nbval notebooks/` included.

It stands at the top because pytest looks for it above the files that it is given.
"""

from tools.notebooks import go_headless

go_headless()
