"""Fill in the tables of docs/teaching.md: `python -m tools.teaching`; a test holds them in step.

Times come from the README's map, exercises and their minutes from the notebooks, the usual
mistakes from the wrong answers in `tests/test_exercises_NN.py`, as the checks name them, and the
questions from the notebooks' *Ask yourself*.
"""

import functools
import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from dqngan_lib.exercises import judge
from tools.links import without_links
from tools.lint import ASKED, asked
from tools.notebooks import NOTEBOOKS, NUMBER, ROOT, read, write_whole
from tools.start import start
from tools.stated import stated

GUIDE = ROOT / "docs" / "teaching.md"
PLANS = {
    "six weeks": {
        "Week 1": "00 A 01 02",
        "Week 2": "03 04",
        "Week 3": "05 06",
        "Week 4": "07 08",
        "Week 5": "09 10 11",
        "Week 6": "12 13 14 15 16",
    },
    "two days": {
        "Day 1, morning": "01 02",
        "Day 1, afternoon": "04 05",
        "Day 2, morning": "07 08",
        "Day 2, afternoon": "09 11",
    },
}
"""Which notebooks belong to which part of a course."""
MISTAKES = 3
"""How many mistakes of an exercise are listed. The tests have more."""

ROW = re.compile(
    rf"^\| \[({NUMBER}) ([^\]]+)\]\([^)]*\) \| [^|]* \| (\d+) \+ ([\d.]+) \|", re.MULTILINE
)
BLOCK = re.compile(r"<!-- (exercises|plan|questions) ([\w ]+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)


@dataclass(frozen=True)
class Lesson:
    """A notebook as a teacher sees it; times in minutes."""

    title: str
    reading: int
    running: float
    exercises: tuple[tuple[str, str, str, int], ...]
    """Number, title, difficulty and minutes of each."""

    @property
    def minutes(self) -> int:
        """Minutes for everything."""
        return round(self.reading + self.running + sum(e[3] for e in self.exercises))


@functools.cache
def lessons() -> dict[str, Lesson]:
    """Return the notebooks of the README's map, by number."""
    found = {}
    for number, title, reading, running in ROW.findall(
        (ROOT / "README.md").read_text(encoding="utf-8")
    ):
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        said = stated(read(path)).items()
        exercises = tuple((n, about.title, about.dots, about.minutes) for n, about in said)
        found[number] = Lesson(title, int(reading), float(running), exercises)
    return found


def mistakes(number: str) -> dict[str, list[str]]:
    """Return what the checks say to the first wrong answers that the tests have, by exercise.

    Args:
        number: The notebook's.
    """
    folder = str(ROOT / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.import_module(f"test_exercises_{number}")
    (cases,) = [c for c in vars(module).values() if hasattr(c, "wrong_answers")]
    return {
        name: [judge(name, answer)[1] for answer in list(answers.values())[:MISTAKES]]
        for name, answers in cases.wrong_answers.items()
    }


def exercise_block(number: str, lesson: Lesson | None) -> str:
    """Return the table of a notebook's exercises, and their usual mistakes."""
    if lesson is None:
        return "*This notebook is not finished yet.*"
    total = sum(minutes for *_, minutes in lesson.exercises)
    lines = [
        f"{lesson.reading} minutes to read, {lesson.running:g} to run, {total} for the exercises.",
        "",
        "| exercise | difficulty | minutes | what the check says to usual mistakes |",
        "| --- | --- | --- | --- |",
    ]
    said = mistakes(number) if lesson.exercises else {}
    for name, title, difficulty, minutes in lesson.exercises:
        words = " · ".join(_plain(message) for message in said[name])
        lines.append(f"| {name} {title} | {difficulty} | {minutes} | {words} |")
    return "\n".join(lines)


def _plain(message: str) -> str:
    """Return a message's first sentence, fit for a cell of a table."""
    sentence = re.split(r"(?<=[.?!]) (?=[A-Z])", " ".join(message.split()))[0]
    return sentence.replace("|", r"\|").replace("*", r"\*").replace("<", "&lt;").rstrip(".")


def question_block(number: str, before: str) -> str:
    """Return the questions that a notebook asks at its end, with their answers.

    Args:
        number: The notebook's.
        before: What stands for a notebook that asks none.
    """
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    found = ASKED.findall(asked(read(path)))
    lines = [
        f"{n}. **{one}** {' '.join(answer.split())}" for n, (one, answer) in enumerate(found, 1)
    ]
    return without_links("\n".join(lines)) or before.strip()


def plan_block(name: str, known: dict[str, Lesson]) -> str:
    """Return the table of a plan: notebooks of each part, and hours for reading and exercises."""
    lines = [
        "| when | notebooks | reading and running | exercises | together |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part, numbers in PLANS[name].items():
        chosen = {n: known[n] for n in numbers.split() if n in known}
        missing = [n for n in numbers.split() if n not in known]
        titles = [f"{n} {lesson.title}" for n, lesson in chosen.items()]
        titles += [f"*{n}, not finished yet*" for n in missing]
        reading = sum(lesson.reading + lesson.running for lesson in chosen.values())
        exercises = sum(lesson.minutes for lesson in chosen.values()) - reading
        hours = [f"{minutes / 60:.1f} h" for minutes in (reading, exercises, reading + exercises)]
        lines.append(f"| {part} | {'; '.join(titles)} | {' | '.join(hours)} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """Return the guide's text with its tables made anew."""
    known = lessons()

    def block(match: re.Match) -> str:
        kind, name, before = match.groups()
        inside = {
            "plan": lambda: plan_block(name, known),
            "exercises": lambda: exercise_block(name, known.get(name)),
            "questions": lambda: question_block(name, before),
        }[kind]()
        return f"<!-- {kind} {name} -->\n\n{inside}\n\n<!-- /{kind} -->"

    return BLOCK.sub(block, text)


def main() -> int:
    """Write the guide; return 0."""
    write_whole(GUIDE, filled(Path(GUIDE).read_text(encoding="utf-8")))
    print(GUIDE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    start(main)
