"""Walks, directions and the explorer of notebook 05."""

import math

import pytest
import torch

from dqngan_lib.gan.latent import draw, spherical_walk, strongest_directions
from dqngan_lib.gan.model import GAN
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANHistory
from dqngan_lib.gan.widgets import LatentExplorer, LiveDigits


def pair(classes=10):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GAN(ImageGenerator(6, 8, classes), ImageDiscriminator(4, classes))


def test_a_walk_keeps_to_the_circle():
    start, end = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 2.0])
    points = spherical_walk(start, end, 4)
    angles = torch.tensor([0.0, 30.0, 60.0, 90.0]) * math.pi / 180
    expected = 2 * torch.stack([angles.cos(), torch.zeros(4), angles.sin()], 1)
    torch.testing.assert_close(points, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(spherical_walk(start, start, 3), start.expand(3, 3))


@pytest.mark.parametrize(
    ("start", "end", "steps", "words"),
    [
        (torch.ones(2), torch.ones(3), 3, "start and end must be both"),
        (torch.ones(2), torch.ones(2), 1, "steps must"),
        (torch.zeros(2), torch.ones(2), 3, "nowhere"),
        (torch.ones(2), -torch.ones(2), 3, "opposite"),
    ],
)
def test_impossible_walks(start, end, steps, words):
    with pytest.raises(ValueError, match=words):
        spherical_walk(start, end, steps)


def test_the_strongest_directions_of_a_known_matrix():
    weight = torch.diag(torch.tensor([1.0, -5.0, 3.0]))[[2, 0, 1]]
    directions = strongest_directions(weight, 2)
    torch.testing.assert_close(directions, torch.eye(3)[[1, 2]])
    with pytest.raises(ValueError, match="count must be a whole number from 1 to 3"):
        strongest_directions(weight, 4)
    with pytest.raises(ValueError, match="weight"):
        strongest_directions(weight[0], 1)


def test_draw_is_the_averaged_generator():
    gan = pair()
    noise = torch.randn(3, 6, generator=torch.Generator().manual_seed(4))
    images = draw(gan, noise, torch.tensor([1, 2, 3]))
    assert torch.equal(images, gan.sample(3, torch.tensor([1, 2, 3]), seed=4))
    assert draw(pair(0), noise).shape == (3, 1, 28, 28)


def test_the_explorer_answers_its_numbers(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    gan = pair()
    explorer = LatentExplorer(gan, torch.eye(6)[:2])
    first, picture = explorer.image(), explorer.picture.value
    explorer.steps[1].value = 3.0
    assert not torch.equal(first, explorer.image()) and explorer.picture.value != picture
    explorer.steps[1].value = 0.0
    assert torch.equal(first, explorer.image())
    explorer.label.value = 8
    assert not torch.equal(first, explorer.image())
    before = explorer.image()
    explorer.another()
    assert explorer.seed == 1 and not torch.equal(before, explorer.image())
    explorer.show()
    assert "Run this cell" in capsys.readouterr().out


def test_the_explorer_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="classes"):
        LatentExplorer(pair(0), torch.eye(6))
    with pytest.raises(ValueError, match="directions"):
        LatentExplorer(pair(), torch.eye(5))


def test_live_digits_draw_only_for_people(monkeypatch, capsys):
    history = GANHistory(update=[1], score=[100.0])
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    LiveDigits(pair())(history)
    assert capsys.readouterr().out == ""
    monkeypatch.delenv("COURSE_HEADLESS")
    LiveDigits(pair())(history)
    assert "Figure" in capsys.readouterr().out
