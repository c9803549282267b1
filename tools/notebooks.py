"""Find, read, execute, clean and write notebooks."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

CELL_TIMEOUT = 1800
"""Seconds a cell may take. No notebook needs more than five minutes on an idle laptop; this ends
what hangs and spares a slow machine."""

KEPT_IN_CELLS = ("tags", "exercise", "jupyter", "cellView")
"""The metadata of cells that people write."""

FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
"""The metadata that fold a cell's source, in Colab and in JupyterLab. One click opens it."""

FOLDED_TAG = "hide-input"
"""The tag that does the same in a web edition made by MyST-NB or Jupyter Book."""

METADATA = {
    # The name that JupyterLab writes too, so that opening a notebook does not change it.
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""The metadata of a whole notebook: no patch version of Python, no state of widgets."""


class NotebookError(Exception):
    """A notebook did not run to its end; the message says where and why."""


def course_notebooks(folder: Path | None = None) -> list[Path]:
    """Return the course's notebooks in order: those with a number, then A, B, and so on."""
    folder = folder or NOTEBOOKS
    return [*sorted(folder.glob("[0-9][0-9]_*.ipynb")), *sorted(folder.glob("[A-Z]_*.ipynb"))]


NUMBER = r"(?:\d\d|[A-Z])"
"""What the name of a notebook begins with, as a pattern."""
EXERCISE = NUMBER + r"\.\d+"
"""The number of an exercise, as a pattern."""


def number_of(path: Path) -> str:
    """Return what a notebook's name begins with: "02", or "A"."""
    return path.stem.partition("_")[0]


def as_number(asked: str) -> str:
    """Return the number or letter of a notebook that somebody has typed: "02" for 2, "A" for a."""
    return f"{int(asked):02d}" if asked.isdecimal() else asked.upper()


def notebook_of(exercise: str) -> str:
    """Return the number of the notebook in which an exercise stands: "02" for "02.1"."""
    return exercise.partition(".")[0]


def find(names: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks meant by their numbers (02 or 2), letters (A), names or paths.

    Args:
        names: What was asked for; nothing means all notebooks of the course, in order.

    Raises:
        NotebookError: There is no such notebook, or none at all.
    """
    course = course_notebooks()
    if not course and not names:
        raise NotebookError(f"there are no notebooks in {NOTEBOOKS}")
    found = []
    for name in names:
        if name.endswith(".ipynb") and Path(name).is_file():
            found.append(Path(name).resolve())
            continue
        stem = Path(name).name.removesuffix(".ipynb")
        fitting = [p for p in course if p.stem == stem or number_of(p) == as_number(stem)]
        if not fitting:
            known = ", ".join(p.stem for p in course) or "none"
            raise NotebookError(f"there is no notebook {name!r}; the course has: {known}")
        found.extend(fitting)
    return list(dict.fromkeys(found)) or course


def go_headless(*, keep_seed: bool = False) -> None:
    """Tell the library, in this process and those it starts, that nobody is watching.

    One thread a notebook: the sums of a matrix product come in another order with two, so what
    was built with one would not compare equal; and two notebooks at once use two cores better
    than one notebook does with networks this small.

    Args:
        keep_seed: Whether a `COURSE_SEED` set by the user goes on to the notebooks. What is
            stored in them, or compared with what is stored, has their own seed.
    """
    os.environ["COURSE_HEADLESS"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not keep_seed:
        os.environ.pop("COURSE_SEED", None)


def read(path: Path) -> NotebookNode:
    """Read a notebook as it stands in the file: nothing is repaired or added.

    Raises:
        NotebookError: The file is not a notebook of format 4.
    """
    try:
        notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        if notebook.nbformat != 4:
            raise ValueError(f"format {notebook.nbformat}")
        return notebook
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise NotebookError(f"{path.name} cannot be read as a notebook: {error}") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step or not at all; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, if it is a valid one, in one step or not at all."""
    nbformat.validate(notebook)
    write_whole(path, nbformat.v4.writes(notebook) + "\n")


def execute(
    path: Path, *, allow_errors: bool = False, environment: dict[str, str] | None = None
) -> NotebookNode:
    """Run a notebook from top to bottom in a fresh kernel, with one line of progress a cell.

    The file is left as it is.

    Args:
        path: The notebook. It runs in its own folder.
        allow_errors: Whether to go on after a cell that fails; its outputs then hold the error.
        environment: Variables for the kernel, beside those of this process.

    Returns:
        The notebook with its new outputs.

    Raises:
        NotebookError: A cell failed or took too long, or the kernel died.
    """
    notebook = read(path)
    numbers = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    started = 0.0

    def before(cell: NotebookNode, cell_index: int) -> None:
        nonlocal started
        started = time.perf_counter()
        place = f"{numbers.index(cell_index) + 1:3d}/{len(numbers)}"
        print(f"  {place}  {first_line(cell.source):<60}", end="", flush=True)

    def after(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        print(f"{time.perf_counter() - started:7.1f} s", flush=True)
        for line in printed(cell).splitlines():
            if line.startswith("✓"):
                print(f"           {line}", flush=True)

    client = client_of(path, notebook, allow_errors, on_cell_execute=before, on_cell_executed=after)
    try:
        return client.execute(env=surroundings(path) | (environment or {}))
    except CellExecutionError as error:
        raise NotebookError(f"{path.name} stopped at a cell that failed:\n{error}") from error
    except CellTimeoutError as error:
        raise NotebookError(f"{path.name}: a cell took over {CELL_TIMEOUT} s:\n{error}") from error
    except DeadKernelError as error:
        raise NotebookError(
            f"{path.name}: the kernel stopped (interrupted, or out of memory)"
        ) from error


def client_of(
    path: Path, notebook: NotebookNode, allow_errors: bool, **events: Callable[..., None]
) -> NotebookClient:
    """Return what runs the cells of a notebook, in a kernel that is not started yet.

    Args:
        path: Where the notebook is; it runs in that folder.
        notebook: What stands in it. Outputs are changed in place.
        allow_errors: Whether a cell that fails is left with its error, instead of raising it.
        **events: What is called before or after each cell; see `NotebookClient`.
    """
    return NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        allow_errors=allow_errors,
        # Spares the reader the kernel's word that it listens, locally, without encryption.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        **events,
    )


def surroundings(path: Path) -> dict[str, str]:
    """Return the variables of a notebook's kernel: those of this process, and its name."""
    return os.environ | {"COURSE_NOTEBOOK": path.stem}


def first_line(source: str) -> str:
    """Return what names a cell to a person: its first line, cut to 56 characters."""
    line = next((line for line in source.splitlines() if line.strip()), "")
    return line if len(line) <= 56 else line[:55] + "…"


def printed(cell: NotebookNode) -> str:
    """Return what a cell has printed to stdout."""
    outputs = cell.get("outputs", [])
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")


def clean(notebook: NotebookNode) -> None:
    """Remove, in place, what differs from run to run or from machine to machine.

    Kept as they are: sources, tags, exercise numbers, cell ids and the outputs' content.
    """
    notebook.nbformat_minor = max(notebook.get("nbformat_minor", 5), 5)
    notebook.metadata = nbformat.from_dict(METADATA)
    seen = set()
    for position, cell in enumerate(notebook.cells):
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEPT_IN_CELLS}
        if not cell.get("id") or cell.id in seen:
            mark = hashlib.sha256(f"{position}:{cell.source}".encode()).hexdigest()
            cell.id = f"cell-{mark[:12]}"
        seen.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _clean_outputs(cell.outputs)


def fold(cell: NotebookNode) -> None:
    """Close a cell's source, in place. Its first line should say what it does."""
    tags = [tag for tag in cell.metadata.get("tags", []) if tag != FOLDED_TAG]
    cell.metadata.update(FOLDED, tags=[*tags, FOLDED_TAG])


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of one stream and shorten paths in tracebacks.

    How a stream is cut into pieces is a matter of timing. Only neighbours are joined: text
    printed after a figure stays after it.
    """
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
            continue
        if output.output_type == "error":
            output.traceback = [_without_paths(line) for line in output.traceback]
        joined.append(output)
    return joined


def _without_paths(text: str) -> str:
    """Name files as seen from the course's folder, and those of other packages by their end."""
    text = text.replace(f"{ROOT}{os.sep}", "")
    return re.sub(r"(?:~|[A-Za-z]:)?[\w./\\ -]*[/\\]site-packages[/\\]", "", text)
