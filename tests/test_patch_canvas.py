"""Tests of the patch tokeniser and the canvas."""

import pytest
import torch
from gymnasium.utils.env_checker import check_env

from dqngan_lib.dqngan.patch_canvas import (
    PatchCanvas,
    decode,
    encode,
    fit_codebook,
    reconstruction,
    split_patches,
)
from dqngan_lib.environments.base import SingleEpisode

BITS = torch.tensor([0.0, 1.0]).reshape(2, 1, 1)


@pytest.fixture(scope="module")
def codebook():
    return torch.rand(7, 4, 4, generator=torch.Generator().manual_seed(0))


def test_patches_go_row_by_row():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    patches = split_patches(image, 2)
    assert patches.shape == (1, 4, 4)
    assert patches[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_decode_then_encode_is_the_same(codebook):
    tokens = torch.randint(7, (20, 16), generator=torch.Generator().manual_seed(1))
    images = decode(tokens, codebook)
    assert images.shape == (20, 1, 16, 16)
    assert torch.equal(encode(images, codebook), tokens)
    assert torch.equal(reconstruction(images, codebook), images)
    assert torch.equal(images[3, 0, 4:8, 8:12], codebook[tokens[3, 6]])


def test_encode_finds_the_nearest(codebook):
    images = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    distances = torch.cdist(split_patches(images, 4).flatten(0, 1), codebook.flatten(1))
    assert torch.equal(encode(images, codebook).flatten(), distances.argmin(1))


def test_encode_nothing(codebook):
    assert encode(torch.zeros(0, 1, 16, 16), codebook).shape == (0, 16)


def test_decode_shows_what_is_not_placed(codebook):
    tokens = torch.full((1, 16), -1)
    tokens[0, 0] = 2
    image = decode(tokens, codebook, blank=0.5)
    assert torch.equal(image[0, 0, :4, :4], codebook[2])
    assert (image[0, 0, 4:] == 0.5).all()


def test_codebook_finds_the_patches_there_are():
    truth = torch.zeros(3, 2, 2)
    truth[1, 0], truth[2] = 0.5, 1.0
    tokens = torch.randint(3, (200, 4), generator=torch.Generator().manual_seed(3))
    found = fit_codebook(decode(tokens, truth), patch=2, count=3, seed=0)
    assert torch.allclose(found, truth, atol=1e-3)  # the patch with the least ink first
    with pytest.raises(ValueError, match="at most 3, the different patches"):
        fit_codebook(decode(tokens, truth), patch=2, count=4)


def test_codebook_repeats():
    images = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    assert torch.equal(fit_codebook(images, 4, 10, 5), fit_codebook(images, 4, 10, 5))


def test_an_episode():
    envs = PatchCanvas(3, BITS, grid=2, starts=10)
    observation, _ = envs.reset(seed=0)
    assert observation.shape == (3, 5)
    assert observation.dtype == torch.long
    assert (observation[:, 1:] == -1).all()
    placed = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]])
    start = observation[:, 0]
    for step, action in enumerate(placed):
        observation, reward, terminated, truncated, info = envs.step(action)
        assert (reward == 0).all()
        assert not truncated.any()
        assert terminated.all() == (step == 3)
    assert torch.equal(info["final_obs"], torch.cat([start[:, None], placed.T], 1))
    assert (observation[:, 1:] == -1).all()
    assert envs.pictures(info["final_obs"])[0, 0].tolist() == [[1, 0], [1, 0]]


def test_observations_are_their_own():
    envs = PatchCanvas(1, BITS, grid=2)
    first, _ = envs.reset(seed=0)
    envs.step(torch.tensor([1]))
    assert (first[:, 1:] == -1).all()


def test_start_tokens():
    envs = PatchCanvas(2_000, BITS, grid=2, starts=10)
    observation, _ = envs.reset(seed=1)
    assert observation[:, 0].bincount().min() > 150
    wanted = torch.arange(2_000) % 10
    observation, _ = envs.reset(options={"labels": wanted})
    assert torch.equal(observation[:, 0], wanted)
    with pytest.raises(ValueError, match="labels must hold 2000 whole numbers from 0 to 9"):
        envs.reset(options={"labels": wanted + 1})


def test_real_episodes(codebook):
    envs = PatchCanvas(1, codebook, grid=4, starts=10)
    images = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(5))
    labels = torch.tensor([3, 1, 4, 1, 5])
    episodes = envs.episodes(images, labels)
    assert torch.equal(episodes[:, 0], labels)
    assert torch.equal(envs.pictures(episodes), reconstruction(images, codebook))
    assert (envs.episodes(images)[:, 0] == 0).all()
    with pytest.raises(ValueError, match="labels must hold 5 whole numbers"):
        envs.episodes(images, labels + 9)
    with pytest.raises(ValueError, match=r"images must be \(n, 1, 16, 16\)"):
        envs.episodes(images[..., :8, :8])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_single_episode_is_a_gymnasium_environment(codebook):
    check_env(SingleEpisode(PatchCanvas(1, codebook, grid=4, starts=10)))


WHITE, TOKENS = torch.zeros(1, 1, 16, 16), torch.zeros(1, 16, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda book: split_patches(WHITE, 5), ValueError, "divisor of the side, 16"),
        (lambda book: split_patches(WHITE[0], 4), ValueError, "images must be"),
        (lambda book: split_patches(WHITE.long(), 4), TypeError, "images must be a float tensor"),
        (lambda book: decode(TOKENS[:, 1:], book), ValueError, "square number"),
        (lambda book: decode(TOKENS + 7, book), ValueError, "from −1 to 6"),
        (lambda book: decode(TOKENS, book[0]), ValueError, "codebook must be"),
    ],
)
def test_what_is_wrong_is_named(call, error, words, codebook):
    with pytest.raises(error, match=words):
        call(codebook)
