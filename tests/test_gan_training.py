"""What a training run promises: its history, its checkpoints, what remains."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import (
    ImageDiscriminator,
    ImageGenerator,
    PointDiscriminator,
    PointGenerator,
)
from dqngan_lib.gan.training import GANHistory, GANTrainSettings, train_gan
from tests.fixed import fixed_weights  # noqa: F401
from tests.small_gans import conditional_gan, small_gan, weights


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("updates", 0),
        ("batch_size", 0),
        ("learning_rate_end", 1.5),
        ("evaluate_every", 0),
        ("evaluate_every", 2_001),
        ("keep", "best"),
    ],
)
def test_bad_train_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} must.*{value}"):
        GANTrainSettings(**{name: value})


def test_numpy_numbers_become_plain_and_other_things_are_refused():
    settings = GANTrainSettings(updates=np.int64(7), evaluate_every=np.int32(2))
    assert type(settings.updates) is int
    with pytest.raises(TypeError, match="updates"):
        GANTrainSettings(updates=10.5)
    with pytest.raises(TypeError, match="generator_rate"):
        GANSettings(generator_rate="fast")


DATA = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) * 0.1 + 1.0
SHORT = GANTrainSettings(updates=10, batch_size=8, evaluate_every=4)


def spread(gan):
    return gan.sample(50).std().item()


def test_the_history_has_a_row_an_evaluation():
    history = train_gan(small_gan(), DATA, evaluate=spread, settings=SHORT)
    assert history.update == [4, 8, 10]
    for name, value in asdict(history).items():
        if name != "interrupted":
            assert len(value) == 3 and all(math.isfinite(number) for number in value), name
    assert not history.interrupted and history.updates_per_second > 0


def test_without_evaluate_the_score_is_nan():
    assert all(math.isnan(s) for s in train_gan(small_gan(), DATA, settings=SHORT).score)


def test_a_run_can_be_repeated_and_depends_on_its_seeds():
    results = []
    for pair_seed, seed in ((0, 0), (0, 0), (0, 1), (1, 0)):
        gan = small_gan()
        gan.rng.manual_seed(pair_seed)
        train_gan(gan, DATA, settings=SHORT, seed=seed)
        results.append(weights(gan.averaged))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[3])


def test_evaluating_more_often_changes_nothing_even_if_it_draws():
    def evaluate(gan):
        torch.rand(3)
        return spread(gan)

    often, seldom = small_gan(), small_gan()
    settings = GANTrainSettings(updates=10, batch_size=8, evaluate_every=1)
    train_gan(often, DATA, evaluate=evaluate, settings=settings, watch=lambda _: torch.rand(2))
    train_gan(seldom, DATA, settings=GANTrainSettings(updates=10, batch_size=8, evaluate_every=10))
    assert torch.equal(weights(often.averaged), weights(seldom.averaged))


class Dropping(PointDiscriminator):
    """A discriminator that draws from torch's global generator."""

    def forward(self, points):
        """Drop half of the logits."""
        return nn.functional.dropout(super().forward(points), 0.5, self.training)


def pair_for_resuming(kind):
    torch.manual_seed(5)
    if kind == "digits":
        generator = ImageGenerator(4, 4, classes=3, side=8)
        discriminator = ImageDiscriminator(2, classes=3, side=8)
        settings = GANSettings(loss="hinge")
    else:
        generator, discriminator = PointGenerator(2, 16), Dropping(16, spectral=True)
        settings = GANSettings(penalty="gradient", penalty_weight=1.0, discriminator_steps=2)
    return GAN(generator, discriminator, settings, seed=5)


@pytest.mark.parametrize("kind", ["points", "digits"])
def test_a_resumed_run_is_the_same_bit_for_bit(kind, tmp_path):
    labels = torch.arange(64) % 3 if kind == "digits" else None
    data = torch.rand(64, 1, 8, 8) if kind == "digits" else DATA
    settings = GANTrainSettings(
        updates=10, batch_size=8, evaluate_every=4, learning_rate_end=0.1, keep="lowest"
    )

    def evaluate(gan):
        torch.rand(7)
        return spread(gan)

    torch.manual_seed(11)
    whole = pair_for_resuming(kind)
    torch.manual_seed(12)
    history = train_gan(whole, data, labels, evaluate=evaluate, settings=settings, seed=3)

    calls = []

    def stop_after_one(gan):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(gan)

    path = tmp_path / "gan.pt"
    torch.manual_seed(12)
    run = {"settings": settings, "seed": 3, "checkpoint": path}
    pair = pair_for_resuming(kind)
    torch.manual_seed(12)
    first = train_gan(pair, data, labels, evaluate=stop_after_one, **run)
    assert first.interrupted and first.update == [4]
    torch.manual_seed(99)
    resumed = pair_for_resuming(kind)
    second = train_gan(resumed, data, labels, evaluate=evaluate, **run)
    for name, value in whole.state_dict().items():
        assert_same(value, resumed.state_dict()[name])
    ours, theirs = asdict(history), asdict(second)
    ours.pop("seconds"), theirs.pop("seconds")
    assert ours == theirs and not second.interrupted


def assert_same(one, two):
    """Compare nested states bit for bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, (list, tuple)):
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    else:
        assert one == two


def test_a_finished_run_is_not_trained_further(tmp_path):
    path, gan = tmp_path / "gan.pt", small_gan()
    train_gan(gan, DATA, settings=SHORT, checkpoint=path)
    again = small_gan()
    history = train_gan(again, DATA, settings=SHORT, checkpoint=path)
    assert history.update == [4, 8, 10]
    assert torch.equal(weights(gan.averaged), weights(again.averaged))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "gan.pt"
    train_gan(small_gan(), DATA, settings=SHORT, checkpoint=path)
    with pytest.raises(ValueError, match=r"belongs to another run.*seed"):
        train_gan(small_gan(), DATA, settings=SHORT, seed=1, checkpoint=path)
    with pytest.raises(ValueError, match=r"belongs to another run.*loss"):
        train_gan(small_gan(loss="hinge"), DATA, settings=SHORT, checkpoint=path)
    with pytest.raises(ValueError, match=r"belongs to another run.*images"):
        train_gan(small_gan(), DATA[:5], settings=SHORT, checkpoint=path)
    torch.save({"something": 1}, path)
    with pytest.raises(ValueError, match="no checkpoint of train_gan"):
        train_gan(small_gan(), DATA, settings=SHORT, checkpoint=path)


def test_interrupting_keeps_what_was_learnt_and_says_so(monkeypatch, capsys):
    gan, count = small_gan(), []
    update = gan.update

    def interrupted(*batch):
        count.append(1)
        if len(count) == 7:
            raise KeyboardInterrupt
        return update(*batch)

    monkeypatch.setattr(gan, "update", interrupted)
    before = weights(gan.averaged)
    history = train_gan(gan, DATA, evaluate=spread, settings=SHORT)
    assert history.interrupted and history.update == [4]
    assert not torch.equal(weights(gan.averaged), before)
    said = capsys.readouterr().out
    assert said.startswith("Stopped after 6 of 10 updates. Kept: what was learnt so far.\n")


@pytest.mark.parametrize(
    ("keep", "scores", "kept"),
    [
        ("lowest", (5.0, 1.0, 3.0), 1),
        ("highest", (5.0, 1.0, 3.0), 0),
        ("last", (5.0, 1.0, 3.0), 2),
        ("lowest", (math.nan, 1.0, 3.0), 1),
        ("highest", (math.nan, 1.0, 3.0), 2),
        ("lowest", (math.nan, math.nan, math.nan), 2),
    ],
)
def test_only_what_was_asked_for_is_kept(keep, scores, kept):
    scores, seen = iter(scores), []

    def evaluate(gan):
        seen.append(weights(gan.averaged))
        return next(scores)

    gan = small_gan()
    settings = GANTrainSettings(updates=6, batch_size=8, evaluate_every=2, keep=keep)
    train_gan(gan, DATA, evaluate=evaluate, settings=settings)
    assert torch.equal(weights(gan.averaged), seen[kept])


@pytest.mark.parametrize("keep", ["lowest", "highest"])
def test_the_best_cannot_be_kept_without_scores(keep):
    gan = small_gan()
    before = weights(gan.averaged)
    settings = GANTrainSettings(updates=6, batch_size=8, evaluate_every=2, keep=keep)
    with pytest.raises(ValueError, match=rf"evaluate must be a function where keep='{keep}'"):
        train_gan(gan, DATA, settings=settings)
    assert torch.equal(weights(gan.averaged), before)


def test_learning_rates_fall_in_a_line():
    rates = []
    gan = small_gan(generator_rate=1e-3, discriminator_rate=4e-3)
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    settings = GANTrainSettings(updates=4, batch_size=8, evaluate_every=1, learning_rate_end=0.0)
    train_gan(
        gan,
        DATA,
        settings=settings,
        watch=lambda _: rates.append([o.param_groups[0]["lr"] for o in optimizers]),
    )
    assert rates == [pytest.approx([s * 1e-3, s * 4e-3]) for s in (1.0, 0.75, 0.5, 0.25)]


def test_points_move_to_the_data():
    gan = small_gan(generator_rate=2e-3, discriminator_rate=2e-3)
    settings = GANTrainSettings(updates=300, batch_size=32, evaluate_every=300)
    far = (gan.sample(200).mean(0) - 1).norm().item()
    train_gan(gan, DATA, settings=settings)
    assert (gan.sample(200).mean(0) - 1).norm().item() < far / 3


@pytest.mark.parametrize(
    ("pair", "arguments", "error", "message"),
    [
        (conditional_gan, (torch.rand(4, 1, 8, 8),), ValueError, "3 classes, but none were given"),
        (small_gan, (DATA, torch.arange(64)), ValueError, "0 classes, but labels were given"),
        (small_gan, (torch.zeros(4, 2, dtype=torch.long),), TypeError, r"images.*int64"),
        (small_gan, (np.zeros((4, 2)),), TypeError, r"images.*ndarray"),
        (small_gan, (torch.zeros(4, 3),), ValueError, r"images.*\(n, \*\(2,\)\).*\(4, 3\)"),
        (small_gan, (torch.zeros(0, 2),), ValueError, r"images.*n >= 1.*\(0, 2\)"),
    ],
)
def test_data_that_do_not_fit_are_named(pair, arguments, error, message):
    with pytest.raises(error, match=message):
        train_gan(pair(), *arguments, settings=SHORT)


def test_an_empty_history_has_no_speed():
    assert GANHistory().updates_per_second == 0.0
