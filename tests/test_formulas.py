r"""Formulas that GitHub shows wrongly are found, and those that it shows well are left alone."""

import pytest
from markdown_it import MarkdownIt

from tools.formulas import SAFE, faults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("an $n$-step return", "touches"),
        ("softmax$(q)$ of it", "touches"),
        ("so *$\\gamma$* counts", "touches"),
        ("$x$2", "touches"),
        (r"$\gamma\, G$", r"write \thinspace"),
        (r"$\|x\|$", r"write \lVert"),
        (r"$\begin{pmatrix} 1 \\ 2 \end{pmatrix}$", r"write \cr"),
        (r"$\{0, 1\}$", r"write \lbrace"),
        (r"$5\%$", "takes the backslash"),
        ("$x^*$ here", r"write \ast"),
        ("$\\hat{x}_i$ and then\n$y_{k}$", "space after it"),
    ],
)
def test_a_fault_is_found(text, words):
    assert any(words in fault for fault in faults(text))


@pytest.mark.parametrize(
    "text",
    [
        "($x$, $y$.) $z$: “$a_i$”; $x_{t+1} = y_t$\n$Q$!",
        r"$x^\ast = \lVert a\rVert \thinspace b\ c$ and $\begin{matrix} 1 \cr 2 \end{matrix}$",
        "$\\hat{x}_ i$ and then\n$y_{k}$",
        "$\\hat{x}_i$ ends\n\n$y_{k}$ begins",
        "- $\\hat{x}_i$\n- $y_{k}$",
        "`a$x$b`\n```\n$\\,$-\n```\n",
        "$$\\|x\\| \\, y^* \\\\$$",
        "it costs \\$5 or \\$6-",
        "a file_name_ and __init__",
    ],
)
def test_what_is_shown_well_passes(text):
    assert list(faults(text)) == []


def test_a_page_must_do_without_operatorname():
    text = r"$\operatorname{logit} D$"
    assert list(faults(text)) == []
    assert any("mathrm" in fault for fault in faults(text, page=True))


@pytest.mark.parametrize("sign", SAFE)
def test_markdown_takes_these_backslashes_away(sign):
    """An independent reader of Markdown, which knows nothing of formulas, does as GitHub does."""
    assert f"\\{sign}" not in MarkdownIt().render(f"$a \\{sign} b$")


@pytest.mark.parametrize(
    "text",
    [
        "$\\hat{x}_i$ and\n$y_{k}$",
        "$\\hat{x}_ i$ and\n$y_{k}$",
        "$x_{a}$ and $\\hat{x}_i$",
        "$\\pi_{a}$ or $a_b$, $c_d$",
        "${x}_{a}$, ${x}_{b}$",
        "$x_a$ (_so $y_{i}$",
    ],
)
def test_italics_begin_where_an_independent_reader_begins_them(text):
    seen = "<em>" in MarkdownIt().render(text)
    assert seen == any("for italics" in fault for fault in faults(text))
