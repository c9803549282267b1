"""How every tool starts, also without `course.py`: `python -m tools.run 02`."""

import os
import sys
from collections.abc import Callable

from course import surroundings


def start(main: Callable[[], int | None]) -> None:
    """Run a tool and end the process with its status; Ctrl-C ends it without a traceback.

    What the tool prints, and what it starts, is in UTF-8: a file or pipe may be told otherwise,
    and then has no ✓.
    """
    os.environ.update(surroundings())
    os.environ.pop("PYTHONIOENCODING", None)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
