"""What all widgets share: buttons, and showing themselves only where somebody is watching."""

from collections.abc import Callable, Mapping

from IPython.display import display
from ipywidgets import Button, Layout

from dqngan_lib.course.runtime import headless


def present(widget: object) -> None:
    """Display a widget, or say in a line that one is here when nobody is watching."""
    if headless():
        print("Run this cell in JupyterLab or Colab to use the widget.")
    else:
        display(widget)


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
