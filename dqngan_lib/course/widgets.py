"""What all widgets share: controls with names, buttons, and showing themselves to people only.

A control needs a name that a screen reader can say, and must work by keyboard. The sliders of
ipywidgets have no such name: their label is not tied to their handle. A number field, a list to
choose from and a box to tick have one, in its versions 7.7 and 8.
"""

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from IPython.display import display
from ipywidgets import BoundedFloatText, BoundedIntText, Button, Checkbox, Dropdown, Layout

from dqngan_lib.course.runtime import headless

LABEL_WIDTH = "96px"
"""Of the name before a control. The usual width cuts "temperature" off."""
CONTROL_WIDTH = "250px"
"""Of a control with its name."""


def present(widget: object) -> None:
    """Display a widget, or say in a line that one is here when nobody is watching."""
    if headless():
        print("Run this cell in JupyterLab or Colab to use the widget.")
    else:
        display(widget)


def number(
    name: str, value: float, low: float, high: float, step: float = 1
) -> BoundedIntText | BoundedFloatText:
    """Return a field for a number: it can be typed, or moved by the arrow keys.

    Args:
        name: What stands before it, and what a screen reader says.
        value: Where it begins.
        low: The least number; anything below becomes this.
        high: The greatest number.
        step: How far an arrow key moves it. With a whole step the numbers are whole.
    """
    field = BoundedIntText if isinstance(step, int) else BoundedFloatText
    settings = {"value": value, "min": low, "max": high, "step": step}
    return field(**settings, description=name, **_shape())


def choice(name: str, options: Iterable[Any], value: Any = None) -> Dropdown:
    """Return a list to choose from.

    Args:
        name: What stands before it, and what a screen reader says.
        options: Values, or pairs of a name and a value.
        value: What is chosen at first; None for the first.
    """
    made = Dropdown(options=list(options), description=name, **_shape())
    if value is not None:
        made.value = value
    return made


def tick(name: str, value: bool = False) -> Checkbox:
    """Return a box to tick, as wide as the words after it."""
    return Checkbox(value=value, description=name, indent=False, layout=Layout(width="auto"))


def announced(text: str) -> str:
    """Return a text as HTML that a screen reader says when it changes, for an `HTML` widget.

    A changed picture says nothing to those who cannot see it: put a short text beside it.
    """
    return f'<span role="status" aria-live="polite">{html.escape(text)}</span>'


def _shape() -> dict[str, Any]:
    style = {"description_width": LABEL_WIDTH}
    return {"style": style, "layout": Layout(width=CONTROL_WIDTH)}


def buttons(presses: Mapping[str, Callable[[], None]], width: str | None = None) -> list[Button]:
    """Return a button for each name, which calls what stands beside it.

    Args:
        presses: What to call, by the words on the button.
        width: Of each button, as CSS says it; None for the usual one.
    """
    made = []
    for name, press in presses.items():
        button = Button(description=name, layout=Layout(width=width))
        button.on_click(lambda _, press=press: press())
        made.append(button)
    return made
