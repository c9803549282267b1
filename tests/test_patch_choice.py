"""The agent that chooses patches is paid what the classifier gains, no more and no less."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from dqngan_lib.applications.medical.patch_choice import (
    ACCURACY_SCALE,
    LabelledFeatures,
    PatchChoice,
    RandomFeatures,
    accuracy,
    choose,
    choose_greedily,
    solve,
    sums,
)
from dqngan_lib.applications.medical.tissue import Patches


def _examples(count, seed, wrong=0.0):
    """Three clouds of points; a share of the labels is wrong."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=rng)
    centres = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    points = centres[labels] + torch.randn(count, 3, generator=rng)
    turn = torch.rand(count, generator=rng) < wrong
    return LabelledFeatures(torch.cat([points, torch.ones(count, 1)], 1), (labels + turn) % 3)


def _world(envs=4, candidates=6):
    pool = _examples(60, 1, wrong=0.4)
    return PatchChoice(envs, pool, torch.zeros(60), _examples(6, 2), _examples(90, 3), candidates)


def _always(action):
    return lambda observation: torch.full((len(observation),), action)


def test_solve_is_ridge_regression():
    examples = _examples(40, 0)
    answers = torch.nn.functional.one_hot(examples.labels, 3).numpy()
    expected = Ridge(10.0, fit_intercept=False).fit(examples.features.numpy(), answers).coef_.T
    assert np.allclose(solve(*sums(examples), 10.0).numpy(), expected, atol=1e-4)


def test_rewards_add_up_to_what_was_gained():
    world = _world()
    world.reset(seed=0)
    start, total = world.accuracy.clone(), torch.zeros(4)
    for number in range(6):
        action = torch.tensor([0, 1, number % 2, 1])
        order, kept = world.order.clone(), world.kept.clone()
        _, reward, terminated, _, info = world.step(action)
        total += reward
        kept[:, number] = action == 1
    assert terminated.all()
    assert info["final_obs"].shape == (4, 11)
    assert total[0] == 0  # nothing kept, nothing gained
    for row in range(4):
        which = order[row][kept[row]]
        both = LabelledFeatures(
            torch.cat([world.few.features, world.pool.features[which]]),
            torch.cat([world.few.labels, world.pool.labels[which]]),
        )
        end = accuracy(solve(*sums(both), world.ridge), world.validation)
        assert total[row].item() == pytest.approx(
            ACCURACY_SCALE * (end - start[row]).item(), abs=1e-3
        )


def test_choose_keeps_all_or_nothing_of_the_same_candidates():
    world = _world()
    nothing, everything = choose(_always(0), world, 5), choose(_always(1), world, 5)
    assert nothing.order.equal(everything.order)
    assert not nothing.kept.any()
    assert everything.kept.all()
    first = accuracy(solve(*sums(world.few), world.ridge), world.validation)
    assert torch.allclose(nothing.validation, first.expand(4))
    assert accuracy(everything.weights, world.validation).equal(everything.validation)


def test_search_never_loses_on_the_validation_patches():
    world = _world(envs=16)
    assert (choose_greedily(world, 1).validation >= choose(_always(0), world, 1).validation).all()


def test_observation_begins_with_the_label():
    world = _world()
    observation, _ = world.reset(seed=1)
    labels = world.pool.labels[world.order[:, 0]]
    assert observation.dtype == torch.float32
    assert observation[:, :3].argmax(1).equal(labels)


def test_random_features_look_at_the_middle():
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    patches = Patches(images, torch.tensor([0, 2]))
    described = RandomFeatures(10, middle=4)(patches)
    assert described.features.shape == (2, 11)
    corner = images.clone()
    corner[..., :6, :6] = 0
    same = RandomFeatures(10, middle=4)(Patches(corner, patches.labels))
    assert same.features.equal(described.features)


@pytest.mark.parametrize("wrong", ["candidates", "clues", "features"])
def test_what_is_wrong_is_named(wrong):
    pool = _examples(5, 0)
    with pytest.raises(ValueError, match=wrong):
        if wrong == "candidates":
            PatchChoice(1, pool, torch.zeros(5), pool, pool, candidates=6)
        elif wrong == "clues":
            PatchChoice(1, pool, torch.zeros(4), pool, pool, candidates=5)
        else:
            LabelledFeatures(torch.zeros(3, 2), torch.zeros(4, dtype=torch.long))
