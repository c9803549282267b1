"""What the notebooks say of their exercises: title, difficulty, minutes, and where they stand."""

import re
from dataclasses import dataclass

from nbformat import NotebookNode

from tools.notebooks import EXERCISE

TITLE = re.compile(rf"### Exercise ({EXERCISE}): (.+)")
EFFORT = re.compile(r"Difficulty ([●○]+) · importance [●○]+ · (\d+) minutes")
HEADING = re.compile(r"#+ (.+)")


@dataclass(frozen=True)
class About:
    """What a notebook says of an exercise."""

    title: str
    dots: str
    """Its difficulty: five dots, of which the filled ones count."""
    minutes: int
    section: str
    """The heading under which it stands."""

    @property
    def plain_title(self) -> str:
        """The title without the marks of formulas."""
        return self.title.replace("$", "")

    @property
    def difficulty(self) -> int:
        """From 1 to 5."""
        return self.dots.count("●")


def stated(notebook: NotebookNode) -> dict[str, About]:
    """Return what a notebook says of each exercise, by number, in the order in which they come."""
    found, section, number, title = {}, "", "", ""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in cell.source.splitlines():
            if asked := TITLE.fullmatch(line):
                number, title = asked.groups()
            elif effort := EFFORT.match(line):
                found[number] = About(title, effort[1], int(effort[2]), section)
            elif heading := HEADING.match(line):
                section = heading[1]
    return found
