"""`course.py run 02`: run notebooks without opening them; the files stay as they are."""

import argparse
import sys
import time

from tools.notebooks import NotebookError, execute, find, go_headless
from tools.start import start


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks that were named; return 0 when all reach their end."""
    parser = argparse.ArgumentParser(prog="course.py run", description=__doc__)
    parser.add_argument("notebooks", nargs="+", help="numbers, names or paths: 02, 02_dqn, …")
    options = parser.parse_args(arguments)
    go_headless(keep_seed=True)
    try:
        for path in find(options.notebooks):
            started = time.perf_counter()
            print(f"Running {path.name}")
            execute(path)
            print(f"  ran to its end in {time.perf_counter() - started:.0f} s\n")
    except NotebookError as error:
        print(f"\nrun: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    start(main)
