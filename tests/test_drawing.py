"""The widget of notebook 11: the pen draws where it goes, and the pixels act on what is drawn."""

import pytest
import torch

from dqngan_lib.applications.pixels.drawing import PEN_STEP, DrawAndEnlarge
from dqngan_lib.applications.pixels.filters import SUPER_RESOLUTION


def brighter(observation):
    """Let every pixel take the greatest step to brighter."""
    return torch.full((len(observation), 28, 28), SUPER_RESOLUTION.names.index("+64"))


def nothing(observation):
    return torch.zeros(len(observation), 28, 28, dtype=torch.long)


@pytest.fixture
def widget():
    originals = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return DrawAndEnlarge({4: nothing, 2: brighter}, originals)


def press(widget, name):
    by_name = {button.description: button for button in widget.widget.children[2].children}
    by_name[name].click()


def test_the_pen_draws_nine_pixels_where_it_goes(widget):
    assert widget.drawn.sum() == 0
    row, column = widget.place
    press(widget, "pen down")
    assert widget.place == (row + PEN_STEP, column)
    assert widget.drawn.sum() == 9
    assert widget.drawn[0, 0, row + 1 : row + 4, column - 1 : column + 2].eq(1).all()
    press(widget, "pen right")
    assert widget.drawn.sum() == 9 + 3 * PEN_STEP
    assert f"row {row + PEN_STEP}, column {column + PEN_STEP}" in widget.picture.value


def test_the_pen_erases_and_moves_without_a_trace(widget):
    press(widget, "pen down")
    widget.pen.value = "only move"
    press(widget, "pen left")
    press(widget, "pen right")
    assert widget.drawn.sum() == 9
    widget.pen.value = "erase"
    press(widget, "pen left")
    assert widget.drawn.sum() == 9 - 3 * (3 - PEN_STEP)


def test_the_pen_stays_on_the_paper(widget):
    for _ in range(20):
        press(widget, "pen up")
        press(widget, "pen left")
    assert widget.drawn[0, 0, 1:4, 1:4].eq(1).all()
    for _ in range(20):
        press(widget, "pen down")
        press(widget, "pen right")
    assert widget.drawn[0, 0, -4:-1, -4:-1].eq(1).all()


def test_the_drawing_is_shrunk_and_the_pixels_act_on_it(widget):
    widget.start.value = 1
    assert torch.equal(widget.drawn[0], widget.originals[1])
    assert torch.allclose(
        widget.small, widget.drawn.unflatten(2, (7, 4)).unflatten(4, (7, 4)).mean((3, 5))
    )
    assert torch.equal(widget.edits.result, widget.edits.pictures[0])  # nothing acts
    widget.factor.value = 2
    assert widget.small.shape == (1, 1, 14, 14)
    assert (widget.edits.result == 1).all()  # 5 steps of 64 grey levels


def test_steps_change_the_picture_and_go_round(widget):
    widget.start.value, widget.factor.value = 1, 2
    before = widget.picture.value
    press(widget, "next step")
    assert widget.step.value == 1
    assert widget.picture.value != before
    assert "after step 1 of 5" in widget.picture.value
    for _ in range(5):
        press(widget, "next step")
    assert widget.step.value == 0


def test_every_control_has_a_name_that_can_be_read_aloud(widget):
    controls = [item for row in widget.widget.children[:3] for item in row.children]
    assert all(control.description for control in controls)
    assert 'alt="Your drawing' in widget.picture.value


def test_nobody_watching_gets_one_line(widget, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    widget.show()
    assert "JupyterLab or Colab" in capsys.readouterr().out


def test_a_policy_is_needed():
    with pytest.raises(ValueError, match="policies"):
        DrawAndEnlarge({}, torch.zeros(1, 1, 28, 28))
