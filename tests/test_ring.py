"""The ring of eight Gaussians: its points, its scores, its recipes."""

import math
from dataclasses import fields

import pytest
import torch

from dqngan_lib.gan.model import GANSettings
from dqngan_lib.gan.ring import (
    PLAIN_TRAIN,
    RECIPES,
    new_ring_gan,
    ring_centres,
    ring_points,
    score_ring,
    train_ring,
)
from dqngan_lib.gan.training import GANTrainSettings


def test_centres_lie_on_the_circle():
    centres = ring_centres()
    assert centres.shape == (8, 2)
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(centres[0], torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(centres[2], torch.tensor([0.0, 2.0]), atol=1e-6, rtol=0)
    gaps = (centres - centres.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(gaps, torch.full((8,), 4 * math.sin(math.pi / 8)))


def test_points_have_the_right_spread_and_share():
    points = ring_points(40_000, seed=1)
    distance, nearest = torch.cdist(points, ring_centres()).min(1)
    shares = torch.bincount(nearest, minlength=8) / 40_000
    assert ((shares - 0.125).abs() < 0.01).all()
    # The squared distance of a Gaussian in the plane has mean 2 std².
    assert distance.square().mean().sqrt().item() == pytest.approx(0.02 * math.sqrt(2), rel=0.02)
    assert torch.equal(ring_points(5, 3), ring_points(5, 3))
    assert not torch.equal(ring_points(5, 3), ring_points(5, 4))


def test_real_points_reach_the_ceiling():
    score = score_ring(ring_points(20_000, seed=2))
    assert score.modes == score.touched == 8
    assert score.good == pytest.approx(1 - math.exp(-4.5), abs=0.004)


def test_the_score_by_hand():
    centres = ring_centres()
    outside = centres * 1.05  # 0.1 from each centre: five standard deviations
    inside = centres * 1.02  # 0.04: two
    points = torch.cat([inside[:1].expand(150, 2), inside[1:2].expand(2, 2)])
    points = torch.cat([points, inside[2:3], outside[3:4].expand(47, 2)])
    score = score_ring(points)  # of 200 points, a mode needs two
    assert (score.modes, score.touched) == (2, 3)
    assert score.good == pytest.approx(153 / 200)
    nothing = score_ring(torch.zeros(10, 2))
    assert (nothing.modes, nothing.touched, nothing.good) == (0, 0, 0.0)


def test_recipes_change_what_they_say_and_nothing_else():
    gan_fields = {item.name for item in fields(GANSettings)}
    train_fields = {item.name for item in fields(GANTrainSettings)}
    for recipe in RECIPES.values():
        assert set(recipe.gan) <= gan_fields and set(recipe.train) <= train_fields
    assert not RECIPES["plain"].gan and not RECIPES["plain"].train
    parts = [RECIPES[name] for name in ("falling rates", "short memory", "R1")]
    together = RECIPES["all three"]
    assert together.gan == parts[0].gan | parts[1].gan | parts[2].gan
    assert together.train == parts[0].train | parts[1].train | parts[2].train


def test_all_recipes_start_from_the_same_weights(monkeypatch):
    first = new_ring_gan("plain", seed=3).sample(10)
    for recipe in RECIPES:
        assert torch.equal(new_ring_gan(recipe, seed=3).sample(10), first)
    with pytest.raises(ValueError, match=r"recipe.*'magic'"):
        new_ring_gan("magic", 0)


def test_a_short_training_runs_and_can_be_repeated(monkeypatch):
    monkeypatch.setitem(PLAIN_TRAIN, "updates", 4)
    monkeypatch.setitem(PLAIN_TRAIN, "evaluate_every", 2)
    samples = []
    for _ in range(2):
        gan = new_ring_gan("all three", 1)
        history = train_ring(gan, "all three", 1)
        assert history.update == [2, 4] and all(0 <= score <= 8 for score in history.score)
        samples.append(gan.sample(20))
    assert torch.equal(*samples)
