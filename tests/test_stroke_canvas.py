"""The two worlds of strokes: what they show, what they pay, and when they end."""

import pytest
import torch
from gymnasium.utils.env_checker import check_env

from dqngan_lib.applications.strokes.canvas import (
    PIXELS,
    CopyCanvas,
    StrokeCanvas,
    pictures,
    real_steps,
)
from dqngan_lib.applications.strokes.drawing import (
    ACTIONS,
    NO_OP,
    canvases,
    lay,
    paint_greedily,
    stroke_gains,
)
from dqngan_lib.course.data import digits
from dqngan_lib.environments.base import SingleEpisode
from dqngan_lib.environments.rollout import Rollout, play

IMAGES = digits().test_images[:5]


@pytest.mark.parametrize("envs", [StrokeCanvas(1), CopyCanvas(1, IMAGES)], ids=["draw", "copy"])
def test_a_single_episode_passes_gymnasiums_check(envs):
    check_env(SingleEpisode(envs), skip_render_check=True)


def test_a_canvas_shows_ink_step_and_class():
    envs = StrokeCanvas(3, strokes=4)
    observation, _ = envs.reset(seed=0, options={"labels": torch.tensor([7, 0, 9])})
    assert observation.shape == (3, 786)
    assert observation.dtype == torch.uint8
    assert observation[:, PIXELS:].tolist() == [[0, 7], [0, 0], [0, 9]]
    action = torch.tensor([5, 700, NO_OP])
    observation, reward, terminated, truncated, info = envs.step(action)
    expected = (255 * lay(torch.zeros(3, 784), action)).round().to(torch.uint8)
    assert torch.equal(observation[:, :PIXELS], expected)
    assert observation[:, PIXELS].tolist() == [1, 1, 1]
    assert not terminated.any()
    assert not truncated.any()
    assert (reward == 0).all()
    assert info == {}
    assert pictures(observation).shape == (3, 1, 28, 28)
    assert pictures(observation).max() <= 1


def test_an_episode_of_drawing_terminates_after_its_strokes():
    envs = StrokeCanvas(2, strokes=3)
    envs.reset(seed=0)
    for _ in range(3):
        observation, _, terminated, truncated, info = envs.step(torch.tensor([10, 20]))
    assert terminated.all()
    assert not truncated.any()
    assert info["final_obs"][:, PIXELS].tolist() == [3, 3]
    assert info["final_obs"][:, :PIXELS].sum() > 0
    assert observation[:, :PIXELS].sum() == 0
    assert observation[:, PIXELS].tolist() == [0, 0]


def test_classes_are_drawn_alike_and_repeat_with_the_seed():
    envs = StrokeCanvas(5_000)
    first, _ = envs.reset(seed=3)
    counts = torch.bincount(first[:, PIXELS + 1].long(), minlength=10)
    assert counts.min() > 400
    again, _ = envs.reset(seed=3)
    assert torch.equal(first, again)
    other, _ = envs.reset(seed=4)
    assert not torch.equal(first, other)


def test_labels_hold_for_one_episode_only():
    envs = StrokeCanvas(200, strokes=1)
    observation, _ = envs.reset(seed=0, options={"labels": torch.full((200,), 4)})
    assert (observation[:, PIXELS + 1] == 4).all()
    observation, *_ = envs.step(torch.full((200,), NO_OP))
    assert observation[:, PIXELS + 1].unique().numel() == 10


@pytest.mark.parametrize("labels", [[1], [1, 10], [-1, 2], [0.5, 1.0]])
def test_wrong_labels_are_named(labels):
    with pytest.raises(ValueError, match="labels must be 2 whole numbers from 0 to 9"):
        StrokeCanvas(2).reset(options={"labels": torch.tensor(labels)})


def test_real_steps_are_what_the_canvas_would_show():
    actions = torch.randint(ACTIONS, (6, 10), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, 1, 4, 1, 5, 9])
    real = real_steps(actions, labels)
    assert real["observation"].shape == (60, 786)
    assert torch.equal(real["action"], actions.flatten())
    rollout = Rollout(StrokeCanvas(6))
    rollout.start(0)
    observation, _ = rollout.envs.reset(seed=0, options={"labels": labels})
    for step in range(10):
        assert torch.equal(real["observation"].view(6, 10, -1)[:, step], observation)
        observation = rollout.step(actions[:, step]).next_observation
    with pytest.raises(ValueError, match="actions and labels must be"):
        real_steps(actions, labels[:3])


def test_copying_pays_what_the_error_falls():
    envs = CopyCanvas(5, IMAGES, unit=10.0, in_order=True)
    observation, _ = envs.reset(seed=0)
    assert torch.equal(observation[:, PIXELS : 2 * PIXELS], (IMAGES * 255).flatten(1).byte())
    gains = stroke_gains(torch.zeros(5, 784), IMAGES.flatten(1))
    for action in (gains[:, :NO_OP].argmax(1), gains[:, :NO_OP].argmin(1)):
        envs.reset(seed=0)
        _, reward, terminated, _, _ = envs.step(action)
        expected = gains.gather(1, action[:, None])[:, 0] / 10
        assert torch.allclose(reward, expected, atol=1e-4)
        assert not terminated.any()


def test_the_return_of_copying_is_the_whole_fall_of_the_error():
    painted = paint_greedily(IMAGES, strokes=12)
    step = iter(painted.actions.T)
    returns = play(lambda observation: next(step), CopyCanvas(5, IMAGES, in_order=True), seed=0)
    fall = IMAGES.flatten(1).square().sum(1) - (IMAGES - painted.images).flatten(1).square().sum(1)
    assert torch.allclose(returns, fall / 10, atol=1e-3)


def test_putting_the_pen_down_ends_the_copy():
    envs = CopyCanvas(2, IMAGES)
    envs.reset(seed=0)
    _, reward, terminated, truncated, info = envs.step(torch.tensor([NO_OP, 7]))
    assert terminated.tolist() == [True, False]
    assert not truncated.any()
    assert reward[0] == 0
    assert info["_final_obs"].tolist() == [True, False]


def test_a_copy_ends_after_its_strokes():
    envs = CopyCanvas(1, IMAGES, strokes=2)
    envs.reset(seed=0)
    assert not envs.step(torch.tensor([9]))[2].any()
    _, _, terminated, truncated, info = envs.step(torch.tensor([9]))
    assert terminated.all()
    assert not truncated.any()
    assert info["final_obs"][0, -1] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": torch.zeros(3, 28, 28)}, "images"),
        ({"unit": 0.0}, "unit"),
        ({"strokes": 0}, "strokes"),
        ({"num_envs": 9, "in_order": True}, "in_order"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CopyCanvas(**{"num_envs": 2, "images": IMAGES} | arguments)


def test_continuing_canvases_are_the_rendered_ones():
    actions = torch.randint(ACTIONS, (4, 3), generator=torch.Generator().manual_seed(1))
    envs = StrokeCanvas(4)
    envs.reset(seed=0)
    for action in actions.T:
        envs.step(action)
    assert torch.equal(envs.canvas, canvases(actions)[:, -1])
