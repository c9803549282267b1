"""The networks of the painting agent, and the copier's random strokes."""

import pytest
import torch

from dqngan_lib.applications.strokes.canvas import PIXELS, CopyCanvas, StrokeCanvas
from dqngan_lib.applications.strokes.drawing import ACTIONS, GRID, NO_OP, SHAPES, stroke_gains
from dqngan_lib.applications.strokes.networks import CopyAgent, CopyNetwork, StrokeNetwork
from dqngan_lib.course.data import digits
from dqngan_lib.dqn.agent import DQNSettings
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.rollout import play
from tests.fixed import fixed_weights  # noqa: F401


def observations(count=4):
    envs = StrokeCanvas(count)
    envs.reset(seed=0, options={"labels": torch.zeros(count, dtype=torch.long)})
    return envs.step(torch.arange(count) * 700)[0]


def awake(network):
    """Give a network's last layers, which start at zero, something to say."""
    for parameter in network.parameters():
        if parameter.abs().sum() == 0:
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_before_the_first_update_all_strokes_are_alike():
    numbers = StrokeNetwork()(observations())
    assert numbers.shape == (4, ACTIONS)
    assert (numbers == 0).all()


@pytest.mark.parametrize("column", [0, 300, PIXELS, PIXELS + 1])
def test_canvas_step_and_class_all_count(column):
    network, seen = awake(StrokeNetwork()).eval(), observations()
    before = network(seen)
    changed = seen.clone()
    changed[:, column] = 9 if column >= PIXELS else 255 - changed[:, column]
    assert (network(changed) - before).abs().amax(1).min() > 0


def test_dropout_is_for_training_alone():
    network, seen = awake(StrokeNetwork(dropout=0.5)), observations()
    assert not torch.equal(network(seen), network(seen))
    network.eval()
    assert torch.equal(network(seen), network(seen))


def test_the_last_step_has_a_value_too():
    seen = observations()
    seen[:, PIXELS] = 10
    assert StrokeNetwork()(seen).shape == (4, ACTIONS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"dropout": 1.0}, "dropout"), ({"width": 0}, "width"), ({"classes": 0}, "classes")],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        StrokeNetwork(**arguments)


def copies(count=3):
    envs = CopyCanvas(count, digits().test_images[:count], in_order=True)
    return envs.reset(seed=0)[0]


def test_a_copy_map_has_a_number_for_each_stroke_and_zero_for_the_end():
    values = CopyNetwork(width=8)(copies())
    assert values.shape == (3, ACTIONS)
    assert (values[:, NO_OP] == 0).all()
    assert values[:, :NO_OP].std() > 0


def test_a_copy_map_lies_where_its_strokes_start():
    """What changes at one corner of the picture changes the values of strokes that start there."""
    network, seen = CopyNetwork(width=8, dilations=(1,)), copies()
    changed = seen.clone()
    changed[:, PIXELS] = 255 - changed[:, PIXELS]  # top left pixel of the digit
    difference = (network(changed) - network(seen))[:, :NO_OP].abs()
    moved = difference.view(3, SHAPES, GRID, GRID).amax((0, 1)) > 0
    assert moved[0, 0]
    assert not moved[4:].any()
    assert not moved[:, 4:].any()


def test_half_of_the_random_strokes_start_where_ink_is_missing():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 6, 20] = 1.0  # lies in the cell of start (3, 10)
    seen = CopyCanvas(1, image).reset(seed=0)[0].repeat(4_000, 1)
    agent = CopyAgent(CopyNetwork(width=4), seed=0)
    start = agent.act(seen, epsilon=1.0) % (GRID * GRID)
    assert (start == 3 * GRID + 10).float().mean().item() == pytest.approx(0.5, abs=0.03)
    greedy = agent.act(seen[:1]).item()
    share = (agent.act(seen, epsilon=0.3) == greedy).float().mean().item()
    assert share == pytest.approx(0.7, abs=0.03)


def test_copying_can_be_learnt():
    """One digit, short: the agent must find strokes that pay."""
    image = digits().test_images[:1]
    agent = CopyAgent(CopyNetwork(strokes=2, width=8), DQNSettings(discount=0.5), seed=0)
    envs, test = CopyCanvas(8, image, strokes=2), CopyCanvas(1, image, strokes=2)
    settings = TrainSettings(
        steps=1_600, capacity=1_600, batch_size=32, learn_after=100, evaluate_every=400
    )
    history = train_dqn(
        agent, envs, lambda agent: play(agent.act, test, seed=1).item(), settings, seed=0
    )
    best = stroke_gains(torch.zeros(1, 784), image.flatten(1)).max().item() / 10
    assert history.best_score > 0.8 * best
