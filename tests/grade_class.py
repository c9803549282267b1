"""A class of 84 with notebooks 01 to 03, in every form in which submissions come.

`python -m tests.grade_class FOLDER` writes it; `course.py grade FOLDER` should then take two idle
cores less than two minutes, and every file should be in its table.
"""

import functools
import io
import json
import sys
import zipfile
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode

from tools.cells import courses
from tools.notebooks import NOTEBOOKS
from tools.solutions import solved

NUMBERS = ("01", "02", "03")
STUDENTS = 84
HELPER = "def same(x):\n    return x\n"


@functools.cache
def _solved(stem: str) -> NotebookNode:
    return solved(NOTEBOOKS / f"{stem}.ipynb")


def notebooks(student: int) -> dict[str, str]:
    """Return a student's three notebooks: solved, but for one wrong and one open exercise."""
    texts = {}
    for number in NUMBERS:
        course = courses()[number]
        copy = deepcopy(_solved(course.stem))
        names = list(course.names)
        wrong, empty = names[student % len(names)], names[(student // 7) % len(names)]
        for cell in copy.cells:
            if cell.metadata.get("exercise") == wrong:
                cell.source += f"\n\ndef {course.names[wrong]}(*a):\n    return a[{student % 2}]"
                last = cell.source.rindex("\ndef ")
                cell.source = cell.source[last:] if student % 3 else cell.source + "\n  ("
            elif cell.metadata.get("exercise") == empty and student % 2:
                cell.source = f"def {course.names[empty]}(*a):\n    ..."
            elif cell.metadata.get("exercise") and student % 5 == 0:
                cell.source = f"from helper import same\n{cell.source}"
        texts[f"{course.stem}.ipynb"] = json.dumps(copy)
    return texts


def script(text: str, *, percent: bool) -> str:
    """Return a notebook as a script, with the marks of Jupytext or of Jupyter."""
    lines = ["#!/usr/bin/env python\n# coding: utf-8\n"]
    for cell in json.loads(text)["cells"]:
        exercise = cell["metadata"].get("exercise")
        if cell["cell_type"] != "code":
            lines.append("# %% [markdown]\n# text\n" if percent else "# text\n")
        elif percent:
            more = f' exercise="{exercise}"' if exercise else ""
            lines.append(f"# %%{more}\n{''.join(cell['source'])}\n")
        else:
            lines.append(f"# In[ ]:\n\n\n{''.join(cell['source'])}\n\n")
    return "\n".join(lines)


def packed(files: dict[str, str | bytes]) -> bytes:
    """Return a zip with these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def build(folder: Path, students: int = STUDENTS) -> list[str]:
    """Write the class; return the path of each file, those in zips included."""
    outside: dict[str, str | bytes] = {"class list.csv": "name\n", "notes/.DS_Store": "x"}
    moodle: dict[str, str | bytes] = {}
    canvas: dict[str, str | bytes] = {}
    inside: list[str] = []
    for student in range(students):
        texts: dict[str, str | bytes] = dict(notebooks(student))
        name, number = f"Student {student:02d}", 1000 + student
        with_helper = {**texts, "helper.py": HELPER} if student % 5 == 0 else texts
        scripts = {
            f"{file[:-6]}.py": script(str(text), percent=bool(student % 2))
            for file, text in texts.items()
        }
        if student % 4 == 3 and student % 5:
            with_helper = scripts
        form = student % 6
        begin = f"{name}_{number}_assignsubmission_file"
        late = "_LATE" if student % 12 == 2 else ""
        if form == 0:  # folders of Moodle, with a report
            moodle |= {f"{begin}_/{file}": text for file, text in with_helper.items()}
            moodle[f"{begin}_/report.pdf"] = "%PDF"
        elif form == 1:  # a zip in a folder of Moodle, with what macOS adds
            zipped = {**with_helper, "__MACOSX/._x": "x"}
            moodle[f"{begin}/work.zip"] = packed({f"work/{f}": t for f, t in zipped.items()})
            inside += [f"moodle.zip/{begin}/work.zip/work/{file}" for file in zipped]
        elif form == 2:  # files of Canvas
            canvas |= {
                f"student{student}{late}_{number}_{number}{place}_{file}": text
                for place, (file, text) in enumerate(with_helper.items())
            }
        elif form == 3:  # a zip of Canvas
            zipped = f"student{student}_{number}_{number}0_work.zip"
            canvas[zipped] = packed(with_helper)
            inside += [f"canvas.zip/{zipped}/{file}" for file in with_helper]
        elif form == 4:  # a folder
            outside |= {f"{name}/{file}": text for file, text in with_helper.items()}
        else:  # a zip with a student's name, beside a list that is nobody's
            outside[f"{name}.zip"] = packed(with_helper)
            inside += [f"{name}.zip/{file}" for file in with_helper]
    outside["Student 99.rar"] = "Rar!"
    outside["moodle.zip"], outside["canvas.zip"] = packed(moodle), packed(canvas)
    for file, content in outside.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    inside += [f"moodle.zip/{file}" for file in moodle if not file.endswith(".zip")]
    inside += [f"canvas.zip/{file}" for file in canvas if not file.endswith(".zip")]
    return inside + [file for file in outside if not file.endswith(".zip")]


if __name__ == "__main__":
    print(len(build(Path(sys.argv[1]))), "files")
