"""The digit scorer reads digits, at both sizes, and its file is the one that it should be."""

import hashlib
import pickle

import pytest
import torch

from dqngan_lib.course import data
from dqngan_lib.metrics import scorer
from dqngan_lib.metrics.scorer import DigitScorer, load_scorer
from tools import make_digit_scorer


@pytest.fixture
def fresh_cache():
    scorer._load.cache_clear()
    yield
    scorer._load.cache_clear()


@pytest.mark.parametrize(("side", "least"), [(28, 0.985), (16, 0.98)])
def test_it_reads_the_held_out_digits(side, least):
    digits = data.digits(side)
    right = load_scorer()(digits.test_images).argmax(1) == digits.test_labels
    assert right.double().mean() >= least


@pytest.mark.parametrize("side", [28, 16])
def test_features_are_balanced_and_of_total_variance_one_hundred(side):
    images = data.digits(side).train_images
    raw = load_scorer().raw_features(images).double()
    features = load_scorer().features(images)
    assert features.shape == (8000, 64)
    assert features.dtype == torch.float32
    before, after = (torch.linalg.eigvalsh(points.double().T.cov()) for points in (raw, features))
    assert after.sum().item() == pytest.approx(100, abs=0.5)
    # The variance of a direction has become its square root, except for the least ones.
    large = before > 1e-3 * before.max()
    ratio = after[large] / before[large].sqrt()
    assert large.sum() > 40
    assert ratio.max() / ratio.min() < 1.01


def test_logits_and_features_follow_from_the_raw_features():
    images = data.digits(16).test_images[:10]
    network = load_scorer()
    raw = network.raw_features(images)
    assert torch.equal(network(images), network.to_logits(raw))
    assert torch.equal(network.features(images), raw @ network.balance[1])
    assert network(images).shape == (10, 10)


def test_images_do_not_depend_on_their_neighbours():
    images = data.digits(28).test_images[:260]
    together = load_scorer().features(images)
    for row in (0, 249, 250, 259):
        assert torch.allclose(
            load_scorer().features(images[row : row + 1])[0], together[row], atol=1e-4
        )


def test_gradients_reach_the_images_and_not_the_weights():
    images = data.digits(28).test_images[:3].clone().requires_grad_()
    network = load_scorer()
    network(images).sum().backward()
    assert images.grad.abs().sum(dim=(1, 2, 3)).min() > 0
    assert all(not parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_training_mode_changes_nothing():
    images = data.digits(16).test_images[:5]
    network = load_scorer()
    assert not network.training
    before = network(images)
    try:
        assert torch.equal(network.train()(images), before)
    finally:
        network.eval()


def test_it_is_loaded_once():
    assert load_scorer() is load_scorer("cpu") is load_scorer(torch.device("cpu"))


def test_loading_it_leaves_the_random_numbers_alone(fresh_cache):
    torch.manual_seed(3)
    load_scorer()
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(4))


@pytest.mark.parametrize("side", [28, 16])
def test_features_and_logits_in_one_pass_are_those_of_two(side):
    images = data.digits(side).test_images[:300]
    features, logits = load_scorer().features_and_logits(images)
    assert torch.equal(features, load_scorer().features(images))
    assert torch.equal(logits, load_scorer()(images))


def test_the_file_is_small_and_holds_tensors_alone():
    assert scorer.WEIGHTS.stat().st_size < 500_000
    state = torch.load(scorer.WEIGHTS, weights_only=True)
    assert all(tensor.dtype == torch.float16 for tensor in state.values())
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert set(state) == set(DigitScorer().state_dict())


def test_a_damaged_file_is_named_with_both_checksums(tmp_path, monkeypatch, fresh_cache):
    damaged = bytearray(scorer.WEIGHTS.read_bytes())
    damaged[5000] ^= 1
    path = tmp_path / "weights.pt"
    path.write_bytes(damaged)
    monkeypatch.setattr(scorer, "WEIGHTS", path)
    with pytest.raises(ValueError, match=r"weights\.pt is damaged") as error:
        load_scorer()
    assert scorer.WEIGHTS_SHA256 in str(error.value)


class NotATensor:
    """Something that only unpickling with code could make."""


def test_a_file_with_code_in_it_is_refused(tmp_path, monkeypatch, fresh_cache):
    path = tmp_path / "weights.pt"
    torch.save({"balance": NotATensor()}, path)
    monkeypatch.setattr(scorer, "WEIGHTS", path)
    monkeypatch.setattr(scorer, "WEIGHTS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        load_scorer()


def test_a_missing_file_is_named(tmp_path, monkeypatch, fresh_cache):
    monkeypatch.setattr(scorer, "WEIGHTS", tmp_path / "nothing.pt")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pt is missing"):
        load_scorer()


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (torch.zeros(2, 1, 20, 20), ValueError, "images must have shape"),
        (torch.zeros(2, 28, 28), ValueError, "images must have shape"),
        (torch.zeros(2, 3, 28, 28), ValueError, "images must have shape"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), TypeError, "images.*uint8"),
        ([[0.0]], TypeError, "images.*list"),
    ],
)
def test_bad_images_are_named(images, error, words):
    for function in (load_scorer(), load_scorer().features):
        with pytest.raises(error, match=words):
            function(images)


# --- the script that made it


def test_augmented_digits_stay_digits_and_a_quarter_is_untouched():
    images = data.digits(28).train_images[:1000]
    moved = make_digit_scorer.augment(images, torch.Generator().manual_seed(1))
    again = make_digit_scorer.augment(images, torch.Generator().manual_seed(1))
    assert torch.equal(moved, again)
    assert moved.shape == images.shape
    assert moved.min() >= 0 and moved.max() <= 1
    untouched = (moved == images).flatten(1).all(1).double().mean().item()
    assert 0.2 < untouched < 0.3
    ink = moved.sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert ink.min() > 0.6
    assert ink.max() < 1.5


def test_shrinking_is_that_of_the_data():
    large, small = data.digits(28), data.digits(16)
    assert torch.equal(make_digit_scorer.shrink(large.train_images, 16), small.train_images)
    assert make_digit_scorer.shrink(large.train_images, 28) is large.train_images


def test_training_repeats_with_its_seed():
    digits = data.digits(28)
    few = data.Digits(
        digits.train_images[:256], digits.train_labels[:256], digits.test_images, digits.test_labels
    )
    networks = [make_digit_scorer.train(few, epochs=1, seed=seed) for seed in (3, 3, 4)]
    states = [network.state_dict()["to_logits.weight"] for network in networks]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
