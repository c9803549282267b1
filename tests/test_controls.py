"""Controls that every widget is made of: what they hold.

That they have names is asked in a browser: see tests/test_browser.py.
"""

import ipywidgets

from dqngan_lib.course.widgets import announced, choice, number, tick


def test_a_number_is_whole_where_its_step_is_and_stays_in_its_range():
    whole = number("row", 3, 0, 9)
    assert isinstance(whole, ipywidgets.BoundedIntText)
    assert (whole.value, whole.min, whole.max, whole.description) == (3, 0, 9, "row")
    whole.value = 12
    assert whole.value == 9
    part = number("direction", 0.0, -4.0, 4.0, 0.5)
    assert isinstance(part, ipywidgets.BoundedFloatText)
    part.value = -4.7
    assert (part.value, part.step) == (-4.0, 0.5)


def test_a_choice_begins_where_it_is_told_to():
    assert choice("digit", range(10), 3).value == 3
    assert choice("digit", range(10), 0).value == 0
    pairs = choice("colours", [("all", 0), ("16", 16)])
    assert (pairs.value, pairs.label) == (0, "all")
    assert tick("arrows").value is False and tick("arrows", True).description == "arrows"


def test_what_is_announced_is_text():
    assert announced("a < b & c") == (
        '<span role="status" aria-live="polite">a &lt; b &amp; c</span>'
    )
