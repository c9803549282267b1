"""Other people's tools accept what is ours: Gymnasium's checker, Stable-Baselines3, torchmetrics.

The Fréchet distance, PSNR and SSIM stand beside torchmetrics and scikit-image in test_metrics.py.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import VectorEnv

import dqngan_lib
from dqngan_lib.applications.latent.steering import LatentWalk, noise_moves
from dqngan_lib.applications.pixels.editor import PixelEditor
from dqngan_lib.applications.pixels.exemplar_world import PracticeWorld
from dqngan_lib.applications.pixels.filters import FILLING
from dqngan_lib.applications.strokes.canvas import CopyCanvas, StrokeCanvas
from dqngan_lib.applications.strokes.two_stages import load_generator
from dqngan_lib.course import data
from dqngan_lib.dqngan.patch_canvas import PatchCanvas
from dqngan_lib.environments.base import SingleEpisode, TruncationAsTermination
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.grid_world import GridWorld
from dqngan_lib.environments.pendulum import TorquePendulum
from dqngan_lib.metrics.digits import conditional_accuracy, predicted_classes
from dqngan_lib.metrics.neighbours import precision_recall
from dqngan_lib.metrics.scorer import load_scorer

# --- Gymnasium's checker ------------------------------------------------------------------------


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pictures() -> torch.Tensor:
    return data.digits().test_images[:5]


def edited(masks: bool) -> PixelEditor:
    originals = pictures()
    where = originals > 0.5 if masks else None
    return PixelEditor(1, 0.5 * originals, originals, FILLING, masks=where)


WORLDS: dict[str, Callable[[], VectorEnv]] = {
    "grid": lambda: GridWorld(1),
    "catch": lambda: Catch(1),
    "pendulum": lambda: TorquePendulum(1),
    "patches": lambda: PatchCanvas(1, normal(8, 4, 4).sigmoid(), starts=10),
    "strokes": lambda: StrokeCanvas(1),
    "copying": lambda: CopyCanvas(1, pictures()),
    "pixels": lambda: edited(masks=False),
    "pixels in a hole": lambda: edited(masks=True),
    "patches of a photograph": lambda: PracticeWorld(
        1, normal(3, 96, 96).sigmoid(), torch.zeros(96, 96, dtype=torch.bool)
    ),
    "latent walk": lambda: LatentWalk(
        1, load_generator(), load_scorer(), noise_moves(torch.eye(64)[:4], 1.0)
    ),
}
"""Every world of the package, with one episode at a time."""


def test_the_list_of_worlds_is_complete():
    found = {
        name
        for module in Path(dqngan_lib.__file__).parent.rglob("*.py")
        for name in re.findall(
            r"^class (\w+)\((?:TorchVectorEnv|VectorWrapper)\)", module.read_text("utf-8"), re.M
        )
    }
    # A wrapper around any world, which makes a mistake on purpose.
    found -= {TruncationAsTermination.__name__}
    assert found == {type(make()).__name__ for make in WORLDS.values()}


@pytest.mark.parametrize("world", WORLDS)
def test_gymnasium_finds_nothing_wrong(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Noise and log-probabilities have no bounds, and the checker wonders whether that is meant.
        warnings.filterwarnings("ignore", ".*observation space (min|max)imum value is -?infinity.*")
        check_env(SingleEpisode(WORLDS[world]()), skip_render_check=True)


def test_a_single_picture_is_paid_what_all_its_pixels_are_paid():
    single, envs = SingleEpisode(edited(masks=False)), edited(masks=False)
    single.reset(seed=3)
    envs.reset(seed=3)
    action = single.action_space.sample()
    _, reward, *_ = single.step(action)
    _, rewards, *_ = envs.step(action[None])
    assert rewards.shape == (1, 28, 28)
    assert reward == pytest.approx(rewards.sum().item())


def test_a_single_pendulum_is_gymnasiums_pendulum():
    single, envs = SingleEpisode(TorquePendulum(1, max_steps=3)), TorquePendulum(1, max_steps=3)
    np.testing.assert_array_equal(single.reset(seed=3)[0], envs.reset(seed=3)[0][0])
    for number in range(3):
        seen, reward, terminated, truncated, _ = single.step(number)
        expected, rewards, *_ = envs.step(np.array([number]))
        np.testing.assert_array_equal(seen, expected[0])
        assert (reward, terminated, truncated) == (rewards[0], False, number == 2)


# --- Stable-Baselines3 --------------------------------------------------------------------------


def mean_return(world: str, choose: Callable[[np.ndarray], int], episodes: int = 200) -> float:
    """Return the mean return of a policy in fresh episodes."""
    env, total = SingleEpisode(SMALL[world]()), 0.0
    for episode in range(episodes):
        seen, ended = env.reset(seed=10_000 + episode)[0], False
        while not ended:
            seen, reward, terminated, truncated, _ = env.step(choose(seen))
            total, ended = total + reward, terminated or truncated
    return total / episodes


SMALL = {"catch": lambda: Catch(1, side=5), "grid": lambda: GridWorld(1, slip=0.0, max_steps=20)}
BARS = {"catch": (0.4, 0.85), "grid": (0.2, 0.75)}
"""What random play does not reach, and what a DQN must reach."""


@pytest.mark.parametrize("world", SMALL)
def test_stable_baselines3_learns_in_our_worlds(world):
    peer = pytest.importorskip("stable_baselines3", reason="the extra `peers` is not installed")
    random_numbers = np.random.default_rng(0)
    actions = SMALL[world]().single_action_space.n
    by_chance = mean_return(world, lambda seen: int(random_numbers.integers(actions)))
    model = peer.DQN(
        "MlpPolicy",
        SingleEpisode(SMALL[world]()),
        learning_rate=2e-3,
        learning_starts=200,
        batch_size=64,
        target_update_interval=100,
        exploration_fraction=0.5,
        seed=0,
        device="cpu",
    ).learn(3_000)
    learnt = mean_return(world, lambda seen: int(model.predict(seen, deterministic=True)[0]))
    below, above = BARS[world]
    assert by_chance < below
    assert learnt > above


# --- metrics ------------------------------------------------------------------------------------


def test_precision_and_recall_agree_with_scikit_learn():
    """Nothing of the kind is in torchmetrics; scikit-learn has the neighbours."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    real, generated = normal(300, 6, seed=1), 1.3 * normal(200, 6, seed=2) + 0.5

    def covered(points: torch.Tensor, centres: torch.Tensor) -> float:
        """Return the share of points within some centre's distance to its third neighbour."""
        # The nearest of the four is the centre itself.
        reach = neighbors.NearestNeighbors(n_neighbors=4).fit(centres).kneighbors(centres)[0][:, 3]
        distance, which = (
            neighbors.NearestNeighbors(n_neighbors=len(centres)).fit(centres).kneighbors(points)
        )
        return (distance <= reach[which]).any(1).mean()

    precision, recall = precision_recall(generated, real, k=3)
    assert 0.2 < precision < recall < 1
    assert precision == pytest.approx(covered(generated, real), abs=1e-9)
    assert recall == pytest.approx(covered(real, generated), abs=1e-9)


def test_conditional_accuracy_agrees_with_torchmetrics():
    classification = pytest.importorskip("torchmetrics.functional.classification")
    digits = data.digits()
    images, labels = digits.test_images[:300], digits.test_labels[:300].clone()
    labels[::5] = (labels[::5] + 1) % 10
    ours = conditional_accuracy(images, labels)
    theirs = classification.multiclass_accuracy(
        predicted_classes(images), labels, num_classes=10, average="micro"
    )
    assert 0.7 < ours < 0.9
    assert ours == pytest.approx(theirs.item())
