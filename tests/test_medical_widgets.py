"""The widget of notebook 13: a spot is painted where it says, and what is left is measured."""

import pytest
import torch

from dqngan_lib.applications.medical.widgets import LesionPainter


def _restore(noisy):
    """Two methods: one does nothing, one leaves half of everything."""
    return {"nothing done": noisy, "half": 0.5 * noisy}


@pytest.fixture
def painter():
    slices = 0.2 + 0.6 * torch.rand(3, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    return LesionPainter(_restore, slices)


def test_what_is_left_is_the_share_of_the_spot(painter):
    assert "original 100 %, nothing done 100 %, half 50 %" in painter.text.value
    painter.diameter.value, painter.contrast.value, painter.row.value = 5, 20, 3
    assert "original 100 %, nothing done 100 %, half 50 %" in painter.text.value
    painter.contrast.value = 0
    assert "no spot" in painter.text.value


@pytest.mark.parametrize("control", ["slice", "row", "column", "diameter", "contrast", "seed"])
def test_every_control_has_a_name_and_changes_the_picture(painter, control):
    before, moved = painter.picture.value, getattr(painter, control)
    assert moved.description
    moved.value = moved.value + 5 if control != "diameter" and control != "slice" else 2
    assert painter.picture.value != before
    assert 'alt="' in painter.picture.value


def test_the_button_changes_the_noise_alone(painter):
    before = painter.picture.value, painter.text.value
    (button,) = (part for part in painter.widget.children if hasattr(part, "click"))
    button.click()
    assert painter.seed.value == 1
    assert painter.picture.value != before[0]
    assert painter.text.value == before[1]


def test_without_a_method_there_is_nothing_to_see(painter):
    with pytest.raises(ValueError, match="restore"):
        LesionPainter(lambda noisy: {}, painter.slices)
