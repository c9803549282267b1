"""The widget of notebook 12: its holes have the shapes they say, and its controls do something."""

import pytest
import torch

from dqngan_lib.applications.pixels.filters import FILLING
from dqngan_lib.applications.pixels.widgets import HOLE_SHAPES, HoleFiller, shaped_hole


def brighter(observation):
    """Let every pixel take the greatest step to brighter."""
    return torch.full((len(observation), 28, 28), FILLING.names.index("+96"))


def nothing(observation):
    return torch.zeros(len(observation), 28, 28, dtype=torch.long)


@pytest.fixture
def filler():
    originals = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return HoleFiller({"brighter": brighter, "nothing": nothing}, originals)


def test_squares_and_discs_have_their_size():
    square = shaped_hole("square", 10, 15, 6)[0, 0].nonzero()
    assert square.min(0).values.tolist() == [7, 12]
    assert square.max(0).values.tolist() == [12, 17]
    assert len(square) == 36
    disc = shaped_hole("disc", 14, 14, 8)[0, 0]
    assert torch.equal(disc, disc.T)
    assert disc.any(0).sum() == 8
    assert 40 <= disc.sum() <= 60  # π 4² is 50


def test_scribbles_stay_near_and_depend_on_the_seed():
    one, again, other = (shaped_hole("scribble", 14, 14, 10, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    places = one[0, 0].nonzero()
    assert len(places) > 9
    assert (places - 14).abs().max() <= 5


@pytest.mark.parametrize("shape", HOLE_SHAPES)
@pytest.mark.parametrize("size", [2, 3, 20])
def test_holes_at_the_edge_are_cut_off_but_there(shape, size):
    hole = shaped_hole(shape, 0, 27, size)
    assert hole.shape == (1, 1, 28, 28)
    assert hole.dtype == torch.bool
    assert hole.any()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"shape": "star"}, "shape must be"), ({"row": 28}, "row"), ({"size": 0}, "size")],
)
def test_holes_that_are_none_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        shaped_hole(**{"shape": "disc", "row": 3, "column": 3, "size": 4} | change)


def test_steps_agents_and_holes_change_the_picture(filler):
    first = filler.picture.value
    assert "PSNR" in filler.text.value
    filler.next_step()
    assert filler.step.value == 1
    assert filler.picture.value != first
    inside = filler.mask()
    assert torch.allclose(filler.edits.result[inside], torch.tensor(1.0))
    filler.agent.value = "nothing"
    assert (filler.edits.result[filler.mask()] == 0).all()
    before = filler.edits.result
    filler.size.value = 4
    assert not torch.equal(before, filler.edits.result)
    filler.shape.value, filler.digit.value = "scribble", 2
    assert torch.equal(filler.original[0], filler.originals[2])


def test_a_hole_can_be_scribbled_piece_by_piece(filler):
    buttons = {button.description: button for button in filler.widget.children[1].children}
    first = filler.mask()
    buttons["keep this piece"].click()
    filler.row.value, filler.column.value = 4, 5
    both = first | shaped_hole("square", 4, 5, 10)
    assert torch.equal(filler.mask(), both)
    assert (filler.edits.result[both] == 1).all()
    buttons["forget all pieces"].click()
    assert torch.equal(filler.mask(), shaped_hole("square", 4, 5, 10))
    buttons["next step"].click()
    assert filler.step.value == 1


def test_steps_go_round(filler):
    for _ in range(5):
        filler.next_step()
    assert filler.step.value == 5
    filler.next_step()
    assert filler.step.value == 0


def test_widget_shows_itself_to_people_only(filler, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    filler.show()
    assert "JupyterLab or Colab" in capsys.readouterr().out


def test_a_policy_is_needed():
    with pytest.raises(ValueError, match="policies"):
        HoleFiller({}, torch.zeros(1, 1, 28, 28))
