"""A painter with a dial for style: its two values, the strokes it lays, what it learns."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from dqngan_lib.applications.art.brushes import (
    BRUSH_ACTIONS,
    BRUSH_SHAPES,
    best_colour,
    brush_table,
    lay_colour,
)
from dqngan_lib.applications.art.networks import GAIN, PainterNetwork
from dqngan_lib.applications.art.painter import paint
from dqngan_lib.applications.art.patches import photo_patches, style_distance
from dqngan_lib.applications.art.plots import draw_taste
from dqngan_lib.applications.art.style import (
    PatchCritic,
    StylePainter,
    StyleSettings,
    lay_kinds,
    style_reward,
    train_style,
)
from dqngan_lib.applications.art.training import Sheets

PALETTE = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.5, 0.2]])
RANDOM = torch.Generator().manual_seed(0)
CANVAS, TARGET = torch.rand(2, 3, 3, 28, 28, generator=RANDOM)


def painter(weight=0.0):
    torch.manual_seed(0)
    return StylePainter(PainterNetwork(), PALETTE, weight)


def test_gains_are_those_of_the_painter_and_of_each_colour():
    torch.manual_seed(0)
    network = PainterNetwork()
    gain, _ = StylePainter(network, PALETTE).both(CANVAS, TARGET)
    assert gain.shape == (3, 3 * BRUSH_SHAPES, 14, 14)
    assert torch.allclose(gain[:, :BRUSH_SHAPES], network(CANVAS, TARGET), atol=1e-2)
    # By hand, at the middle: places 7, 7 look at rows and columns 6 to 23.
    w = network.windows()[3]
    c, t = CANVAS[0, :, 6:24, 6:24], TARGET[0, :, 6:24, 6:24]
    left = (w * (t - PALETTE[1][:, None, None]).square()).sum()
    expected = GAIN * ((w * (t - c).square()).sum() - left)
    assert gain[0, 2 * BRUSH_SHAPES + 3, 7, 7].item() == pytest.approx(expected.item(), abs=1e-2)


def test_a_stroke_that_changes_nothing_has_no_style():
    learnt = painter(5.0)
    torch.nn.init.normal_(learnt.layers[-1].weight)
    flat = PALETTE[0][None, :, None, None].expand(1, 3, 28, 28)
    _, style = learnt.both(flat, TARGET[:1])
    middle = style[:, :, 5:9, 5:9].abs()
    assert middle[:, BRUSH_SHAPES : 2 * BRUSH_SHAPES].max() < 0.1
    assert middle[:, 2 * BRUSH_SHAPES :].max() > 1


def test_kinds_of_colour_are_laid():
    number = 1_500
    mask = brush_table()[number][None]
    action = torch.tensor([number, BRUSH_ACTIONS + number, 2 * BRUSH_ACTIONS + number])
    after = lay_kinds(CANVAS, TARGET, action, PALETTE)
    own = best_colour(CANVAS[0].flatten(1), TARGET[0].flatten(1), mask)
    for row, colour in enumerate((own, PALETTE[0], PALETTE[1])):
        expected = lay_colour(CANVAS[row].flatten(1), mask, colour)
        assert torch.allclose(after[row].flatten(1), expected, atol=1e-6)


def test_painting_takes_the_colour_that_the_values_choose():
    def values(canvas, target):
        worth = torch.zeros(1, 3 * BRUSH_SHAPES, 14, 14)
        worth[0, 2 * BRUSH_SHAPES, 7, 7] = 1.0
        return worth

    painting = paint(values, TARGET[0], ((1, 2),), choices=PALETTE)
    assert torch.tensor(painting.strokes[0].colour).allclose(PALETTE[1])


def test_the_painter_learns_what_pleases_and_the_critic_sees_the_style():
    dark = torch.rand(64, 3, 28, 28, generator=RANDOM) * 0.2
    bright = torch.rand(64, 3, 28, 28, generator=RANDOM) * 0.2 + 0.8
    palette = torch.tensor([[0.1, 0.1, 0.1]])
    torch.manual_seed(0)
    learnt = StylePainter(PainterNetwork(), palette, 1.0)
    before = learnt.w.clone()
    settings = StyleSettings(updates=40, warm_up=60, sheets=8, trials=4, pool=32)
    critic, unexplained = train_style(learnt, bright, dark, settings, seed=0)
    assert torch.equal(before, learnt.w)
    assert critic(dark).mean() > critic(bright).mean() + 0.5
    assert sum(unexplained[-10:]) < 0.8 * sum(unexplained[:10])
    _, style = learnt.both(bright[:8], bright[:8])
    assert style[:, BRUSH_SHAPES:].mean() > 0  # dark strokes please


def test_a_stopped_training_returns_what_was_learnt_and_says_so(monkeypatch, capsys):
    take, taken = Sheets.take, []

    def stop_at_the_sixth(sheets, canvas):
        taken.append(canvas)
        if len(taken) == 6:
            raise KeyboardInterrupt
        take(sheets, canvas)

    monkeypatch.setattr(Sheets, "take", stop_at_the_sixth)
    settings = StyleSettings(updates=9, warm_up=3, sheets=2, trials=2, pool=4)
    _, unexplained = train_style(painter(1.0), TARGET, CANVAS, settings)
    assert len(unexplained) == 3
    said = capsys.readouterr().out
    assert said.startswith("Stopped after 5 of 12 steps. Kept: what was learnt so far.\n")


def test_patches_may_keep_their_colours():
    red = torch.zeros(3, 40, 40)
    red[0] = 1.0
    kept = photo_patches([red], 6, 0, recolour=False)
    assert (kept.mean((2, 3)) - torch.tensor([1.0, 0.0, 0.0])).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "value"), [("updates", 0), ("warm_up", -1), ("epsilon", 1.5), ("pool", 3)]
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        StyleSettings(**{name: value})


def test_a_critic_answers_for_places():
    assert PatchCritic()(CANVAS).shape == (3, 14, 14)


def test_the_reward_is_the_rise_of_all_logits():
    def spoken(pictures):
        return pictures.mean((1, 2, 3))[:, None, None].expand(-1, 2, 2)

    before, after = torch.full((2, 3, 4, 4), 0.25), torch.full((2, 3, 4, 4), 0.75)
    assert style_reward(spoken, before, after).tolist() == [2.0, 2.0]


def test_style_distance_of_flat_pictures_and_of_a_shuffle():
    dark, bright = torch.full((3, 9, 9), 0.25), torch.full((3, 12, 7), 0.75)
    # Along a direction v a flat picture is one number, 0.25 Σ v or 0.75 Σ v, side 1: v in 3-D.
    ways = np.random.default_rng(0).normal(size=(3, 64))
    expected = np.abs((ways / np.linalg.norm(ways, axis=0)).sum(0)).mean() * 0.5
    assert style_distance(dark, bright, side=1) == pytest.approx(expected, abs=1e-6)
    assert style_distance(TARGET[0], TARGET[0]) == 0
    shuffled = TARGET[0].flatten(1)[:, torch.randperm(784)].view(3, 28, 28)
    assert style_distance(TARGET[0], shuffled, side=1) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="sides >= 3"):
        style_distance(TARGET[0], TARGET[0, :, :2])


def test_taste_is_drawn_for_the_dial_and_its_rivals():
    dial = {0: {"psnr": 27.0, "distance": 0.2}, 3: {"psnr": 17.0, "distance": 0.1}}
    recolour = {0.5: {"psnr": 18.0, "distance": 0.08}}
    _, axes = plt.subplots()
    draw_taste(axes, dial, recolour, 0.05, "Taste costs")
    painter, rival, floor = axes.lines
    assert (list(painter.get_xdata()), list(painter.get_ydata())) == ([27, 17], [0.2, 0.1])
    assert list(rival.get_xdata()) == [18]
    assert list(floor.get_ydata()) == [0.05, 0.05]
    words = [text.get_text() for text in axes.texts]
    assert words[:3] == ["λ = 0", "λ = 3", "50%"]
    plt.close("all")
