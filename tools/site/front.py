"""The front page of the web edition: `front.md`, with what README.md says, and the contents.

What stands in two places is written in one: the map, the abilities and the measured claims are
those of README.md.
"""

from pathlib import Path

from tools.notebooks import ROOT, course_notebooks
from tools.site.pages import pages, to_web

HERE = Path(__file__).resolve().parent
GROUPS = {
    "Look up": ("docs/glossary", "docs/symptoms", "docs/measured", "docs/comparisons"),
    "Use it": ("docs/installing", "docs/colab", "docs/commands", "docs/web", "docs/players"),
    "Teach": ("docs/teaching", "docs/grading"),
    "The code": ("dqngan_lib/README", "data/README", "docs/dependencies", "CONTRIBUTING"),
    "News": ("CHANGELOG",),
}
"""The pages in the contents, after the notebooks. Those that are not named come last."""
PLAYERS = {
    "digit": (
        "Ask for a digit",
        "Choose one, and a Deep Q-Network draws it here, in ten strokes.",
        "A film of forty sheets of paper. On each a digit grows in ten strokes.",
        "digit_twin.gif",
        "digit_twin.png",
    ),
    "photo": (
        "Have your photo painted",
        "Another one paints it here. The photo does not leave your computer.",
        "A film: strokes become an astronaut.",
        "photo_twin.webp",
        "photo_twin.jpg",
    ),
}
"""What can be played: its page in the folder `play`, the words that lead there, what its film
shows, the film, and a picture for whoever wants no motion."""


def page(*, pdf: bool) -> str:
    """Return the front page as Markdown.

    Args:
        pdf: Whether the course is printed as well.
    """
    text = (HERE / "front.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = {
        "players": cards(),
        "pdf": 'Or take <a href="files/dqngan-course.pdf">all of it as a PDF</a>.' if pdf else "",
        "map": between("map", readme),
        "abilities": section("What you will be able to do", readme),
        "measured": between("measured", readme),
        "contents": contents(),
    }
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return to_web(text, ROOT / "index.md", set())


def between(name: str, text: str) -> str:
    """Return what stands between the marks of a name in README.md."""
    return text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0].strip()


def section(title: str, text: str) -> str:
    """Return what stands under a heading in README.md."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0].strip()


def cards() -> str:
    """Return the links to the players, with their films."""
    links = []
    for name, (title, words, alt, film, still) in PLAYERS.items():
        calm = f'<source srcset="play/{still}" media="(prefers-reduced-motion: reduce)">'
        picture = f'<picture>{calm}<img src="play/{film}" alt="{alt}"></picture>'
        text = f"{picture} <strong>{title}</strong> <span>{words}</span>"
        links.append(f'<a class="player" href="play/{name}.html">{text}</a>')
    return '<div class="players">\n' + "\n".join(links) + "\n</div>\n"


def contents() -> str:
    """Return the hidden lists from which Sphinx makes the contents beside each page."""
    names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in pages()]
    groups = {"The course": [f"notebooks/{path.stem}" for path in course_notebooks()]}
    groups["In one page"] = [name for name in names if name.startswith("docs/part_")]
    for title, wanted in GROUPS.items():
        groups[title] = [name for name in wanted if name in names]
    placed = {name for group in groups.values() for name in group}
    groups["More"] = [name for name in names if name not in placed]
    return "\n\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(group) + "\n```"
        for title, group in groups.items()
        if group
    )
