r"""Formulas that GitHub shows wrongly, though JupyterLab and Colab show them well.

GitHub reads the text between two dollar signs as Markdown first. So it takes `\,` for a comma and
`*` for italics, and it leaves a formula as it is where a letter touches it.
"""

import re
import unicodedata
from collections.abc import Iterator

CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)
DISPLAYED = re.compile(r"\$\$.*?\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$((?:[^$\n]|\n(?!\s*\n))+)\$(?!\$)")
"""A formula within a line of text; it ends in the paragraph in which it begins."""
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. |\||#))")
"""Between paragraphs, entries of a list, rows of a table."""
TOUCHES = re.compile(r"[\w*-]")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
"""What Markdown turns into the sign alone: a backslash before a sign of ASCII."""
SAFE = {
    ",": r"\thinspace",
    ";": r"a backslash and a space",
    ":": r"a backslash and a space",
    "!": r"\negthinspace",
    "{": r"\lbrace",
    "}": r"\rbrace",
    "|": r"\lVert and \rVert",
    "\\": r"\cr",
}
"""What means the same as a backslash with that sign, and is safe."""


def faults(text: str, page: bool = False) -> Iterator[str]:
    """Say what is wrong with each formula of a text.

    Args:
        text: Markdown.
        page: Whether it is a `.md` file; GitHub forbids more there than in notebooks.
    """
    plain = CODE.sub(_dots, text)
    if page and r"\operatorname" in plain:
        yield r"GitHub forbids \operatorname in pages: write \mathrm"
    plain = DISPLAYED.sub(_dots, plain)
    for formula in INLINE.finditer(plain):
        around = plain[max(formula.start() - 1, 0) : formula.start()] + plain[formula.end() :][:1]
        if TOUCHES.search(around):
            yield f"GitHub shows no formula that a letter, digit, -, * or _ touches: {formula[0]}"
        for sign in sorted(set(ESCAPED.findall(formula[1]))):
            advice = f": write {SAFE[sign]}" if sign in SAFE else ""
            yield rf"GitHub takes the backslash from \{sign} in {formula[0]}{advice}"
        if "*" in formula[1]:
            yield rf"GitHub may take * in {formula[0]} for italics: write \ast"
    for place in italics(plain):
        near = plain[max(place - 15, 0) : place + 10].replace("\n", " ")
        yield f"GitHub may take _ in “{near}” for italics: put a space after it"


def italics(plain: str) -> list[int]:
    """Return where a `_` in or before a formula begins italics, by CommonMark's rules.

    Args:
        plain: A text without code and without formulas on lines of their own.
    """
    found, inside = [], set()
    for formula in INLINE.finditer(plain):
        inside |= set(range(*formula.span()))
    begin = 0
    for end in [*(gap.start() for gap in PARAGRAPH.finditer(plain)), len(plain)]:
        opened: list[int] = []
        for place in range(begin, end):
            if plain[place] != "_" or plain[place - 1 : place] == "\\":
                continue
            opens, closes = _flanks(plain, place)
            if closes and any(at in inside or place in inside for at in opened):
                found.append(opened[-1])
                opened = []
            elif opens:
                opened.append(place)
        begin = end
    return found


def _flanks(text: str, place: int) -> tuple[bool, bool]:
    """Tell whether a `_` can open and close italics (CommonMark 0.31, section 6.2)."""
    before, after = text[place - 1 : place] or " ", text[place + 1 : place + 2] or " "
    signs = [unicodedata.category(letter)[0] in "PS" for letter in (before, after)]
    left = not after.isspace() and (not signs[1] or before.isspace() or signs[0])
    right = not before.isspace() and (not signs[0] or after.isspace() or signs[1])
    return left and (not right or signs[0]), right and (not left or signs[1])


def _dots(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", ".", match[0])
