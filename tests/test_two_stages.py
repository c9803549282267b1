"""Imagine, then paint: the stored generator, its noise, and copies against strokes laid by hand."""

import hashlib
from dataclasses import replace

import pytest
import torch

from dqngan_lib.applications.strokes import two_stages
from dqngan_lib.applications.strokes.drawing import NO_OP, canvases
from dqngan_lib.applications.strokes.two_stages import copy_pictures, imagine, load_generator
from dqngan_lib.course.data import digits
from dqngan_lib.metrics.digits import conditional_accuracy
from tools import make_digit_generator

ASKED = torch.arange(200) % 10


def test_the_stored_generator_makes_the_digits_asked_for():
    made = imagine(load_generator(), ASKED, seed=1)
    assert made.shape == (200, 1, 28, 28) and made.min() >= 0 and made.max() <= 1
    assert conditional_accuracy(made, ASKED) >= 0.95


def test_loading_moves_nobodys_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(2)
    load_generator.cache_clear()
    torch.manual_seed(3)
    assert not any(weight.requires_grad for weight in load_generator().parameters())
    assert torch.equal(torch.rand(2), expected)


def test_a_damaged_file_is_not_loaded(tmp_path, monkeypatch):
    content = two_stages.WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == two_stages.WEIGHTS_SHA256
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(two_stages, "WEIGHTS", damaged)
    load_generator.cache_clear()
    with pytest.raises(ValueError, match="damaged"):
        load_generator()
    monkeypatch.setattr(two_stages, "WEIGHTS", tmp_path / "nothing.pt")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pt"):
        load_generator()
    load_generator.cache_clear()


class Noise(torch.nn.Module):
    """A generator whose picture shows its first number, and its class."""

    noise_size = 3

    def forward(self, noise, labels):
        """Return constant pictures."""
        return (noise[:, 0] + 100 * labels).reshape(-1, 1, 1, 1).expand(-1, 1, 28, 28)


def test_the_spread_scales_the_noise_and_parts_change_nothing():
    asked = torch.tensor([0, 1, 0, 2, 1])
    one, half, none = (imagine(Noise(), asked, spread)[:, 0, 0, 0] for spread in (1.0, 0.5, 0.0))
    classes = 100.0 * asked
    assert torch.allclose(half - classes, (one - classes) / 2, atol=1e-4)
    assert torch.equal(none, classes) and (one - classes).std() > 0.1
    assert torch.equal(imagine(Noise(), asked, part=2)[:, 0, 0, 0], one)
    assert not torch.equal(imagine(Noise(), asked, seed=1)[:, 0, 0, 0], one)


class Planned:
    """An agent that draws stroke 1,000 and then 2,060, and puts the pen down if the digit says so.

    The digits are constant: ink 0 asks for no stroke, ½ for one, 1 for two; any more are 300.
    """

    def act(self, observation, epsilon=0.0):
        """Return the next action of each row."""
        step = observation[:, -1].long()
        wanted = (observation[:, 784] / 127).round().long()
        plan = torch.tensor([1_000, 2_060, 300, 300])[step.clamp(max=3)]
        return torch.where(step < wanted, plan, NO_OP)


def test_copies_are_the_strokes_until_the_pen_is_put_down():
    images = torch.tensor([0.0, 0.5, 1.0, 0.5]).reshape(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    plans = torch.tensor([[NO_OP, NO_OP], [1_000, NO_OP], [1_000, 2_060], [1_000, NO_OP]])
    for part in (4, 3):
        made = copy_pictures(Planned(), images, strokes=4, part=part)
        assert torch.allclose(made.flatten(1), canvases(plans)[:, -1], atol=0.005)


def test_no_more_strokes_than_allowed():
    images = torch.ones(2, 1, 28, 28)
    made = copy_pictures(Planned(), images, strokes=1)
    assert torch.allclose(made.flatten(1), canvases(torch.tensor([[1_000]] * 2))[:, -1], atol=0.002)


def test_the_spread_has_a_range():
    with pytest.raises(ValueError, match="spread"):
        imagine(Noise(), ASKED, -1.0)


def test_the_same_seed_trains_the_same_generator():
    data = digits()
    few = replace(data, train_images=data.train_images[:64], train_labels=data.train_labels[:64])
    made = [imagine(make_digit_generator.train(few, 2, seed), ASKED[:10]) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])
