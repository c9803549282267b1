"""Try what notebooks ask a learner to change: `python -m tools.prompts 07`; the slow tests do, too.

`tools/prompts.toml` has an entry for each **Change** of the notebooks that it covers:

    [[prompt]]
    notebook = "07"
    asks = "to two actions"                 # words of the paragraph that asks for it
    change = [["QNetwork(NOISE, 1,", "QNetwork(NOISE, 2,"]]
    until = ["chosen = agent.act("]         # words of later cells in which the learner looks
    stops = "…"                             # words of the claim that then fails; the text says so
    may = true                              # it need not fail
    long = true                             # only with --all: it takes minutes
    by_hand = "why no patch can do it"      # in place of `change`

Only the cells that are changed or looked at run, with those on which they depend. Each must come to
its end, or stop at the claim that the text announces.
"""

import argparse
import ast
import os
import re
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from tools.cells import Cell, parse, read_cells
from tools.lint import SPEAKING
from tools.notebooks import NOTEBOOKS, ROOT, NotebookError, find, go_headless, number_of, read
from tools.start import start

FILE = ROOT / "tools" / "prompts.toml"
ASKED = re.compile(r"\*\*(?:Change|Break)\*\*")


@dataclass(frozen=True)
class Prompt:
    """One change that a notebook asks for."""

    notebook: str
    """The notebook's number or letter."""
    asks: str
    """Words of the paragraph that asks."""
    change: tuple[tuple[str, str], ...] = ()
    """Pieces of code, each in one cell alone, and what takes their place."""
    until: tuple[str, ...] = ()
    """Pieces of code of further cells that run."""
    stops: str = ""
    """Words of the claim at which it stops; "" if it comes to the end."""
    may: bool = False
    """Whether it may come to the end as well."""
    long: bool = False
    """Whether it takes minutes."""
    by_hand: str = ""
    """Why it cannot be a patch."""


def load() -> list[Prompt]:
    """Return the prompts of `tools/prompts.toml`.

    Raises:
        NotebookError: An entry has no words, or neither a change nor a reason, or both.
    """
    found = []
    for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["prompt"]:
        try:
            change = tuple((old, new) for old, new in entry.pop("change", []))
            prompt = Prompt(**entry | {"change": change, "until": tuple(entry.get("until", []))})
        except (TypeError, ValueError) as error:
            raise NotebookError(f"{FILE.name}: {error} in {entry}") from error
        if not prompt.asks or bool(prompt.change) == bool(prompt.by_hand):
            raise NotebookError(
                f"{FILE.name}: {prompt.notebook}, {prompt.asks!r} needs `change` or `by_hand`"
            )
        found.append(prompt)
    return found


def asking(number: str) -> list[str]:
    """Return the paragraphs of a notebook that ask for a change, each on one line."""
    (path,) = find([number])
    texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    paragraphs = [p for text in texts for p in text.split("\n\n")]
    first = "nothing can break that"  # 00 says what a change is, and asks for none
    return [_plain(p) for p in paragraphs if ASKED.search(p) and first not in p]


def _plain(words: str) -> str:
    return " ".join(words.split())


def patched(cells: Sequence[Cell], prompt: Prompt) -> tuple[list[Cell], set[int]]:
    """Return the cells with the change, and the numbers of those that must run.

    Raises:
        NotebookError: A piece of code is in no cell, or in several.
    """
    changed, targets = list(cells), set()
    for old, new in [*prompt.change, *((words, words) for words in prompt.until)]:
        places = [
            number
            for number, cell in enumerate(cells)
            if old in cell.source and cell.exercise is None
        ]
        if len(places) != 1 or cells[places[0]].source.count(old) != 1:
            raise NotebookError(f"{prompt.notebook}: {old!r} must be in one cell, once; {places}")
        (place,) = places
        changed[place] = Cell(changed[place].source.replace(old, new))
        targets.add(place)
    return changed, targets


def needed(cells: Sequence[Cell], targets: set[int]) -> list[int]:
    """Return the numbers of the cells that must run so that the targets can, targets included.

    A cell is needed that defines a name, changes an item or attribute of it, or calls a method on
    it or a function with it. Calls that only speak, such as `print` and `claim`, change nothing. A
    function may need what a cell below it defines.
    """
    late: set[str] = set()
    while True:
        chosen, missing = _looked_back(cells, targets, late)
        if missing <= late:
            return chosen
        late |= missing


def _looked_back(
    cells: Sequence[Cell], targets: set[int], wanted: set[str]
) -> tuple[list[int], set[str]]:
    """Go through the cells from the last target to the first, in search of what is wanted.

    Returns:
        The cells that are needed, and the names that only cells below those which need them have.
    """
    statements = parse(cells).statements
    imports = (ast.Import, ast.ImportFrom)
    modules = {name for s in statements if isinstance(s.node, imports) for name in s.binds}
    defined: set[str] = set()
    chosen = []
    for number in range(max(targets), -1, -1):
        binds: set[str] = set()
        needs: set[str] = set()
        touches: set[str] = set()
        for statement in (statement for statement in statements if statement.cell == number):
            needs |= statement.needs - binds - _set_first(statement.node)
            touches |= statement.touches | set(_changed_by_calls(statement.node, modules))
            binds |= statement.binds
        beginning = "seed_everything(" in cells[number].source and "import" in cells[number].source
        exercise = cells[number].exercise is not None
        defined |= set() if exercise else binds
        if number in targets or beginning or (not exercise and wanted & (binds | touches)):
            chosen.append(number)
            wanted = (wanted - (binds - needs)) | needs
    return sorted(chosen), wanted & defined


class _Order(ast.NodeVisitor):
    """Notes of each name whether a statement reads or sets it first, functions' insides apart."""

    def __init__(self) -> None:
        self.first: dict[str, type] = {}

    def visit_Name(self, node: ast.Name) -> None:
        self.first.setdefault(node.id, type(node.ctx))

    def visit_Assign(self, node: ast.Assign) -> None:
        for part in (node.value, *node.targets):  # what is on the right comes first
            self.visit(part)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        for name in ast.walk(node):
            if isinstance(name, ast.Name):
                self.first.setdefault(name.id, ast.Load)

    def visit_For(self, node: ast.For) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.first.setdefault(node.name, ast.Store)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Leave it: it runs later, if at all."""


def _set_first(node: ast.AST) -> set[str]:
    """Return the names that a statement sets before it reads them."""
    order = _Order()
    order.visit(node)
    return {name for name, context in order.first.items() if context is ast.Store}


def _changed_by_calls(node: ast.AST, modules: set[str]) -> Iterator[str]:
    """Yield the names that a call whose value nobody takes may change."""
    for expression in ast.walk(node):
        if not (isinstance(expression, ast.Expr) and isinstance(expression.value, ast.Call)):
            continue
        call = expression.value
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
        root = call.func
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        own = root.id if isinstance(root, ast.Name) else ""
        method = isinstance(call.func, ast.Attribute)
        if name in SPEAKING or (method and own in modules):
            continue
        if method and own:
            yield own
        yield from (a.id for a in call.args if isinstance(a, ast.Name))


def attempt(prompt: Prompt) -> str:
    """Run a prompt in this process; return what is wrong, "" if all is as the text says.

    Raises:
        NotebookError: Its code is not in the notebook any more.
    """
    (path,) = find([prompt.notebook])
    cells, targets = patched(read_cells(path), prompt)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number in needed(cells, targets):
        try:
            with redirect_stdout(StringIO()):
                code = compile(
                    cells[number].source, f"<{path.stem}, code cell {number + 1}>", "exec"
                )
                exec(code, names)
        except AssertionError as error:
            said = str(error).splitlines()[0] if str(error) else "an AssertionError"
            if prompt.stops and prompt.stops in said:
                return ""
            return f"stopped in code cell {number + 1} at {said}"
        except Exception as error:
            return f"broke in code cell {number + 1}: {type(error).__name__}: {error}"
    if prompt.stops and not prompt.may:
        return f"came to its end, and should stop at {prompt.stops!r}"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Try the prompts of notebooks; return 0 when all are as their texts say."""
    parser = argparse.ArgumentParser(prog="tools.prompts", description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", help="numbers, names or paths; default all")
    parser.add_argument("--all", action="store_true", help="with those that take minutes")
    parser.add_argument("--asks", default="", help="only those whose words have this in them")
    options = parser.parse_args(arguments)
    go_headless()
    os.environ.setdefault("MPLBACKEND", "agg")
    trouble = 0
    try:
        numbers = [number_of(path) for path in find(options.notebooks)]
        chosen = [p for p in load() if p.notebook in numbers and options.asks in p.asks]
        os.chdir(NOTEBOOKS)
        for prompt in (p for p in chosen if p.change and (options.all or not p.long)):
            started = time.perf_counter()
            try:
                wrong = attempt(prompt)
            except NotebookError as error:  # the others can still be tried
                wrong = str(error)
            trouble += bool(wrong)
            took = time.perf_counter() - started
            mark = "FAILED" if wrong else "ok    "
            print(f"{mark} {took:6.1f} s  {prompt.notebook}: {prompt.asks}  {wrong}", flush=True)
    except NotebookError as error:
        sys.exit(f"prompts: {error}")
    return 1 if trouble else 0


if __name__ == "__main__":
    start(main)
