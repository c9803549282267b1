"""Strokes in colour: masks, best colours, gains, paintings, looks, films, palettes, style."""

import pytest
import torch

from dqngan_lib.animations import stroke_svg
from dqngan_lib.brush_looks import LOOKS, render, render_steps
from dqngan_lib.brushes import (
    ACTIONS,
    best_colour,
    brush_gains,
    brush_table,
    lay_colour,
    stroke_at,
)
from dqngan_lib.painter import paint, random_values
from dqngan_lib.palettes import picture_palette
from dqngan_lib.photo_canvas import PhotoCanvas, photo_patches, plain_patches
from dqngan_lib.photo_networks import PainterAgent, PainterNetwork, squash, unsquash
from dqngan_lib.style import StyleCritic, critic_score, paint_with_critic, sheet_patches

RANDOM = torch.Generator().manual_seed(0)
CANVAS, TARGET = torch.rand(2, 1, 3, 28, 28, generator=RANDOM)
SHORT = ((2, 3), (1, 5))


def smooth(side=56):
    line = torch.linspace(0, 1, side)
    return torch.stack(
        [
            line.expand(side, -1),
            line[:, None].expand(-1, side),
            0.5 + 0 * TARGET.new_zeros(side, side),
        ]
    )


def test_gains_are_what_laying_each_stroke_brings():
    gains = brush_gains(CANVAS, TARGET).flatten()
    masks, before, wanted = brush_table()[:, None], CANVAS.flatten(2), TARGET.flatten(2)
    after = lay_colour(before, masks, best_colour(before, wanted, masks))
    tried = (wanted - before).square().sum() - (wanted - after).square().sum((1, 2))
    assert len(gains) == ACTIONS
    assert torch.allclose(gains, tried, atol=1e-3)
    assert (brush_gains(TARGET, TARGET) < 0).all()


def test_no_other_colour_is_better():
    mask = brush_table()[1_500][None]
    best = best_colour(CANVAS[0].flatten(1), TARGET[0].flatten(1), mask)
    errors = []
    for shift in (0.0, -0.02, 0.02):
        colour = (best + shift).clamp(0, 1)
        after = lay_colour(CANVAS[0].flatten(1), mask, colour)
        errors.append((TARGET[0].flatten(1) - after).square().sum().item())
    assert errors[0] == min(errors)


def test_errors_are_those_of_the_canvas_and_search_beats_luck():
    target = smooth()
    exact, luck = paint(brush_gains, target, SHORT), paint(random_values(0), target, SHORT)
    for painting in (exact, luck):
        assert len(painting.strokes) == 8
        assert painting.errors[-1] == pytest.approx(
            (painting.canvas - target).square().mean().item(), abs=1e-6
        )
    assert exact.psnr()[-1] > luck.psnr()[-1]
    with pytest.raises(ValueError, match="target must be"):
        paint(brush_gains, target[:, :54], ((4, 1),))


def test_a_palette_is_kept_to():
    palette = picture_palette(smooth(), 3, seed=0)
    painting = paint(brush_gains, smooth(), SHORT, palette)
    for stroke in painting.strokes:
        assert (palette - torch.tensor(stroke.colour)).abs().sum(1).min() < 1e-5
    assert picture_palette(torch.full((3, 8, 8), 0.5), 4).shape == (4, 3)


@pytest.mark.parametrize("look", LOOKS)
def test_looks_render_at_any_size(look):
    strokes = paint(brush_gains, smooth(), SHORT).strokes
    picture = render(strokes, 56, 56, 2, look)
    assert picture.shape == (3, 112, 112)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert torch.equal(picture, render(strokes, 56, 56, 2, look))
    blank, _ = render_steps(strokes, 56, 56, 1, look, stops=[0, 8])
    assert (blank == 1).all()


def test_the_plain_look_at_scale_1_is_the_painting_itself():
    painting = paint(brush_gains, smooth(), SHORT)
    assert torch.allclose(render(painting.strokes, 56, 56, 1, "plain"), painting.canvas, atol=1e-5)


def test_a_film_has_every_stroke_and_no_script():
    strokes = paint(brush_gains, smooth(), SHORT).strokes
    svg = stroke_svg(strokes, 56, 56, frames=4)
    assert svg.count("<path") == 8
    assert svg.count("<animate") == 4
    assert "script" not in svg


def test_the_world_pays_the_gain_and_never_terminates():
    envs = PhotoCanvas(1, TARGET, strokes=2, unit=0.1, in_order=True)
    observation, _ = envs.reset(seed=0)
    assert observation.shape == (1, 4704)
    gains = brush_gains(torch.ones_like(TARGET), TARGET).flatten(1)
    _, reward, terminated, truncated, _ = envs.step(gains.argmax(1))
    assert reward.item() == pytest.approx(gains.max().item() / 0.1, rel=1e-3)
    assert not terminated
    assert not truncated
    *_, terminated, truncated, info = envs.step(torch.tensor([5]))
    assert not terminated
    assert truncated
    assert "final_obs" in info


def test_patches_are_pictures_and_repeat_with_the_seed():
    for made in (photo_patches([smooth()], 5, 3), plain_patches(5, 3)):
        assert made.shape == (5, 3, 28, 28)
        assert made.min() >= 0
        assert made.max() <= 1
    assert torch.equal(photo_patches([smooth()], 5, 3), photo_patches([smooth()], 5, 3))


def test_a_network_for_patches_works_on_larger_sheets():
    network = PainterNetwork(width=8)
    observation = (torch.cat([CANVAS, TARGET], 1) * 255).round().to(torch.uint8).flatten(1)
    assert network(observation).shape == (1, ACTIONS)
    assert network.values(smooth()[None], smooth()[None]).shape == (1, 16, 28, 28)


def test_squashed_targets_by_hand():
    assert torch.allclose(squash(torch.tensor([8.0, -3.0, 0.0])), torch.tensor([2.0, -1.0, 0.0]))
    assert torch.allclose(unsquash(torch.tensor([2.0, -1.0])), torch.tensor([8.0, -3.0]))
    agent = PainterAgent(PainterNetwork(width=4))
    for network in (agent.q_network, agent.target_network):
        torch.nn.init.zeros_(network.last.weight)
        torch.nn.init.constant_(network.last.bias, 2.0)
    batch = {
        "next_observation": torch.zeros(2, 4704, dtype=torch.uint8),
        "reward": torch.tensor([8.0, 0.0]),
        "terminated": torch.tensor([True, False]),
        "steps": torch.ones(2),
    }
    expected = squash(torch.tensor([8.0, 8 * agent.settings.discount]))
    assert torch.allclose(agent.target(batch), expected, atol=1e-5)


class Dark(StyleCritic):
    """A critic that likes dark patches."""

    def forward(self, patches):
        """Return minus the brightness."""
        return -10 * patches.mean((1, 2, 3))


def test_a_critic_that_likes_dark_paint_gets_it():
    palette = torch.tensor([[0.0, 0.0, 0.0]])
    made = [
        paint_with_critic(brush_gains, smooth(), Dark(width=2), weight, palette, ((2, 6),))
        for weight in (0.0, 20.0)
    ]
    assert made[1].canvas.mean() < made[0].canvas.mean()
    scores = [critic_score(Dark(width=2), painting.canvas, (1, 2)) for painting in made]
    assert scores[1] > scores[0]
    assert made[1].psnr()[-1] < made[0].psnr()[-1]
    assert sheet_patches([smooth()], 4, 0, (1, 2)).shape == (4, 3, 28, 28)


def test_a_stroke_number_out_of_range_is_named():
    with pytest.raises(ValueError, match="number must be"):
        stroke_at(ACTIONS, 28, 28)
