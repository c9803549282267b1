"""The widget of notebook 12 for photographs: pieces of holes, ways to fill them, files."""

import io

import pytest
import torch
from PIL import Image

from dqngan_lib.applications.art.painting_out import MARGIN, PainterOut


def white(photo, hole):
    return torch.where(hole, 1.0, photo)


def unwilling(photo, hole):
    raise ValueError("hole must be small; got a large one")


@pytest.fixture
def painter():
    rng = torch.Generator().manual_seed(0)
    samples = {name: 0.5 * torch.rand(3, 256, 300, generator=rng) for name in ("one", "two")}
    return PainterOut({"white": white, "unwilling": unwilling}, samples)


def press(painter, name):
    for row in painter.widget.children:
        for child in getattr(row, "children", ()):
            if getattr(child, "description", "") == name:
                child.click()


def test_photographs_are_cut_to_size_and_can_be_chosen(painter):
    assert min(painter.photo.shape[1:]) == 256
    first = painter.photo
    painter.sample.value = "two"
    assert not torch.equal(first, painter.photo)


def test_a_hole_is_put_together_and_forgotten(painter):
    first = painter.hole()
    assert first.sum() == pytest.approx(3.14 * 16**2, rel=0.05)  # a disc of 32 pixels
    press(painter, "keep this piece")
    painter.row.value, painter.shape.value = 60, "square"
    assert painter.hole().sum() == first.sum() + 32**2
    press(painter, "forget all pieces")
    assert painter.hole().sum() == 32**2


def test_holes_stay_away_from_the_edge(painter):
    painter.row.value, painter.column.value = 511, 511
    assert not painter.hole().any()
    press(painter, "fill the hole")
    assert f"within {MARGIN} pixels" in painter.text.value
    painter.row.value = painter.column.value = 20
    assert painter.hole().any()
    assert not painter.hole()[:MARGIN].any()


def test_filling_shows_the_filled_picture_and_says_so(painter):
    before = painter.picture.value
    press(painter, "fill the hole")
    assert "filled by white" in painter.text.value
    assert painter.picture.value != before
    painter.size.value = 20
    assert "magenta" in painter.text.value


def test_a_way_that_cannot_says_why(painter):
    painter.way.value = "unwilling"
    press(painter, "fill the hole")
    assert "cannot be filled: hole must be small" in painter.text.value


def test_files_are_taken_and_others_are_refused(painter, tmp_path):
    file = tmp_path / "mine.png"
    Image.new("RGB", (320, 280), (200, 10, 10)).save(file)
    painter.file.value = str(file)
    assert painter.photo[0].mean() > 0.7
    content = io.BytesIO()
    Image.new("RGB", (320, 280), (10, 10, 200)).save(content, "PNG")
    painter.take(({"name": "blue.png", "content": content.getvalue()},))
    assert painter.photo[2].mean() > 0.7
    painter.take(({"name": "no.txt", "content": b"words"},))
    assert "as it was" in painter.text.value
    assert painter.photo[2].mean() > 0.7


def test_widget_shows_itself_to_people_only(painter, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    painter.show()
    assert "JupyterLab or Colab" in capsys.readouterr().out


@pytest.mark.parametrize(("ways", "samples"), [({}, {"a": None}), ({"white": white}, {})])
def test_something_is_needed(ways, samples):
    with pytest.raises(ValueError, match="at least one"):
        PainterOut(ways, samples)
