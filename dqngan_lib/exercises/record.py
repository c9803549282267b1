"""Which exercises a learner has solved: one small file for all notebooks, and a page of it.

`check` notes each verdict; `progress` shows them. The file lies in the course's cache folder, which
git ignores; the environment variable `COURSE_PROGRESS` names another, on a mounted drive for
instance. It is only a note: where it cannot be written a check says so and goes on.
"""

import importlib
import json
import os
import pkgutil
from pathlib import Path

from filelock import FileLock, Timeout

import dqngan_lib
from dqngan_lib.course.runtime import headless, say

RIGHT, WRONG = "right", "wrong"
SIGNS = {RIGHT: "✓ right", WRONG: "✗ not right yet", "": "○ not tried"}
"""How each verdict is shown: a sign and words, so that neither colour nor font matters."""
PATIENCE = 5
"""Seconds to wait for another notebook that is writing; a write takes a moment."""


def record_path() -> Path:
    """Return the file of the record, whether it is there or not."""
    named = os.environ.get("COURSE_PROGRESS")
    if named:
        return Path(named).expanduser()
    return Path(dqngan_lib.__file__).parents[1] / ".cache" / "progress.json"


def kept() -> bool:
    """Tell whether verdicts are kept: not in tests and builds, unless a file is named for them."""
    return bool(os.environ.get("COURSE_PROGRESS")) or not headless()


def read_record() -> dict[str, str]:
    """Return the verdict on each exercise that was tried, by its number; none without a file.

    Raises:
        ValueError: The file is there and is no record, or cannot be read.
    """
    try:
        found = json.loads(record_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{shown_path()} cannot be read ({_first_line(error)})") from error
    if not isinstance(found, dict) or not all(v in (RIGHT, WRONG) for v in found.values()):
        raise ValueError(f"{shown_path()} is not a record of exercises")
    return found


def note(name: str, verdict: str) -> None:
    """Write down a verdict, and say in a sentence when that cannot be done.

    What was right once stays right: who tries something else afterwards loses nothing. A damaged
    file is put aside, and a new one begun.

    Args:
        name: The exercise, such as "02.1".
        verdict: "right" or "wrong"; anything else, "not attempted" for one, is not noted.
    """
    if verdict not in (RIGHT, WRONG) or not kept():
        return
    path = record_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=PATIENCE):
            record = _record_or_new(path)
            if record.get(name) in (verdict, RIGHT):
                return
            _write_whole(path, record | {name: verdict})
    except (OSError, Timeout) as error:
        say(f"  (not noted for progress(): {shown_path()}: {_first_line(error)})")


def progress() -> None:
    """Print what you have solved: each exercise of the course with ✓ right, ✗ or ○ not tried.

    ✓ stands where a check has said right once, in any notebook and on any day.
    """
    record: dict[str, str] = {}
    try:
        record = read_record() if kept() else {}
    except ValueError as error:
        say(f"{error}: the next check puts it aside and begins a new one.")
    names = exercise_names()
    solved = sum(record.get(name) == RIGHT for name in names)
    say(f"{solved} of {len(names)} exercises right")
    for notebook in dict.fromkeys(name.partition(".")[0] for name in names):
        mine = [name for name in names if name.partition(".")[0] == notebook]
        parts = {verdict: [n for n in mine if record.get(n, "") == verdict] for verdict in SIGNS}
        words = [f"{SIGNS[verdict]} {', '.join(some)}" for verdict, some in parts.items() if some]
        say(f"{notebook:3s} {' · '.join(words)}")
    say(f"Noted in {shown_path()}; delete it to begin again.")


def exercise_names() -> list[str]:
    """Return the numbers of all exercises of the course, in order; letters come after numbers."""
    package = importlib.import_module("dqngan_lib.exercises")
    modules = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return [
        exercise.name
        for module in modules
        if module.startswith("notebook_")
        for exercise in importlib.import_module(f"{package.__name__}.{module}").EXERCISES
    ]


def shown_path() -> str:
    """Return the file of the record as a person looks for it: from the course's folder."""
    path, course = record_path(), Path(dqngan_lib.__file__).parents[1]
    if path.is_relative_to(course):
        return f"{path.relative_to(course).as_posix()} in the course's folder"
    return str(path)


def _record_or_new(path: Path) -> dict[str, str]:
    try:
        return read_record()
    except ValueError as error:
        aside = path.with_name(f"{path.stem}.damaged{path.suffix}")
        path.replace(aside)
        say(f"  ({error}: it is now {aside.name}, and a new record begins)")
        return {}


def _write_whole(path: Path, record: dict[str, str]) -> None:
    """Write the record in one step or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
