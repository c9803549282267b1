"""What notebook 10's table measures beside the package: the straight-through row, guided rows."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from dqngan_lib.applications.strokes.drawing import ACTIONS, stroke_table
from dqngan_lib.applications.strokes.finished import FinishedSettings

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        path = SCRIPTS / "10_painting_agent.py"
        spec = importlib.util.spec_from_file_location("painting_table", path)
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


class Linear(torch.nn.Module):
    """A judge ⟨w, x⟩ that does not look at the class."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(784, generator=random))

    def forward(self, images, labels):
        """Return the logits."""
        return images.flatten(1) @ self.weight


class Numbers(torch.nn.Module):
    """One learnt Q-value for each action, whatever the state."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.numbers = torch.nn.Parameter(torch.randn(ACTIONS, generator=random))

    def forward(self, observation):
        """Return the numbers, once for each state."""
        return self.numbers.expand(len(observation), -1)


def test_straight_through_has_the_gradient_that_autograd_sends_through_the_choice(
    script, monkeypatch
):
    """The strokes drawn are made of `hard + soft − soft.detach()` and laid down one by one."""
    settings = FinishedSettings(batch_size=4, steps_learnt=3, rounds=10, r1=0.0, noise=0.0)
    agent = script.StraightThrough(Numbers(), Linear(), settings, 0, 3, 2)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)
    drawn, draw = [], agent.draw
    monkeypatch.setattr(agent, "draw", lambda *a: drawn.append(draw(*a)) or drawn[-1])
    numbers = agent.q_network.numbers.detach().clone().requires_grad_(True)
    agent.round(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 1, 0]))
    weight = agent.judge.weight.detach()  # the slope is taken after the judge's step

    soft = numbers.softmax(0)
    paper = torch.ones(4, 784)
    for action in drawn[0][0].unbind(1):
        hard = torch.nn.functional.one_hot(action, ACTIONS)
        paper = paper * (1 - (hard + soft - soft.detach()) @ stroke_table())
    # the mean over the four drawings and their three steps
    (-((1 - paper) @ weight).sum() / 12).backward()
    assert torch.allclose(agent.q_network.numbers.grad, numbers.grad, atol=1e-6)
    assert numbers.grad.abs().max() > 1e-4


def test_guidance_compares_the_class_asked_for_with_no_class(script):
    """A network whose only knowledge is the class: what no class likes as well cancels out."""

    class Likes(torch.nn.Module):
        def forward(self, observation):
            label = observation[:, 785].long()
            values = torch.zeros(len(label), ACTIONS)
            values[:, 7] = 20.0  # whatever the class
            values[torch.arange(len(label)), 100 + label] = 18.0
            return values

    ways = script.ways_to_guide(Likes(), 0)
    made = ways["guidance", 1.0]()
    expected = 1 - (1 - stroke_table()[100 + script.ASKED]) ** 10
    # log π_c is 18 for the class's own stroke and 20 for stroke 7; guided 36 and 20
    assert torch.allclose(made.flatten(1), expected, atol=0.02)


def test_the_first_way_to_draw_changes_nothing_and_the_others_what_they_say(script, monkeypatch):
    monkeypatch.setattr(script, "draw_pictures", lambda values, *_: values)
    ways = script.ways_to_draw(lambda observation: observation, 0)
    values = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert next(iter(ways)) == ("temperature", 1.0)
    found = {way: make.func(*make.args)(values) for way, make in ways.items()}
    assert torch.equal(found["temperature", 1.0], values)
    assert torch.allclose(found["temperature", 0.5], 2 * values)
    assert found["min-p", 0.2].isfinite().tolist() == [[True, True, True, False]]
    assert found["min-p", 0.4].isfinite().tolist() == [[True, True, False, False]]
    assert found["nucleus", 0.7].isfinite().tolist() == [[True, True, False, False]]


def test_fair_likelihood_learns_the_class_and_what_is_drawn_without_one(script, monkeypatch):
    """Class c is always drawn with stroke 100 + c: without one either has half."""
    labels = torch.arange(400) % 2
    seen = torch.zeros(400, 786, dtype=torch.uint8)
    seen[:, 785] = labels
    monkeypatch.setattr(script, "drawings", lambda: {"observation": seen, "action": 100 + labels})
    network = script.train_by_likelihood(0, updates=60, fair=True)
    states = seen[:3].clone()
    states[2, 785] = script.NO_CLASS
    with torch.no_grad():
        chances = network(states).softmax(1)[:, 100:102]
    assert chances[0, 0] > 0.9 and chances[1, 1] > 0.9
    assert torch.allclose(chances[2], torch.tensor([0.5, 0.5]), atol=0.15)
    assert seen[:, 785].max() == 1  # the data were not changed
