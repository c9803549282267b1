"""Losses and penalties against numbers worked by hand, and what a training run promises."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from dqngan_lib.gan import (
    GAN,
    KINDS,
    GANHistory,
    GANSettings,
    GANTrainSettings,
    discriminator_loss,
    generator_loss,
    train_gan,
)
from dqngan_lib.image_networks import (
    ImageDiscriminator,
    ImageGenerator,
    PointDiscriminator,
    PointGenerator,
)
from dqngan_lib.penalties import clip_weights, gradient_penalty, input_gradient, r1_penalty


@pytest.fixture(autouse=True)
def fixed_weights():
    """Draw the same first weights in every test, and put the generator back."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


# Losses -------------------------------------------------------------------------------------------


def probability(p):
    """Return the logit of a probability."""
    return torch.tensor([math.log(p / (1 - p))])


@pytest.mark.parametrize("kind", ["minimax", "non-saturating"])
def test_discriminator_loss_by_hand(kind):
    # D = 0.8 on the real one and 0.3 on the fake: −log 0.8 − log 0.7.
    loss = discriminator_loss(probability(0.8), probability(0.3), kind)
    assert loss.item() == pytest.approx(-math.log(0.8) - math.log(0.7), rel=1e-6)
    assert discriminator_loss(torch.zeros(3), torch.zeros(3), kind).item() == pytest.approx(
        math.log(4), rel=1e-6
    )


def test_hinge_and_wasserstein_by_hand():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    # Hinge: max(0, 1 − l) = 0, 0.5, 2 and max(0, 1 + l̃) = 0, 1.
    assert discriminator_loss(real, fake, "hinge").item() == pytest.approx(2.5 / 3 + 0.5)
    assert discriminator_loss(real, fake, "wasserstein").item() == pytest.approx(-1.5 - 0.5)
    for kind in ("hinge", "wasserstein"):
        assert generator_loss(fake, kind).item() == pytest.approx(1.5)


def test_generator_losses_by_hand():
    assert generator_loss(probability(0.01), "minimax").item() == pytest.approx(math.log(0.99))
    loss = generator_loss(probability(0.01), "non-saturating").item()
    assert loss == pytest.approx(-math.log(0.01), rel=1e-5)


@pytest.mark.parametrize("d", [0.01, 0.5, 0.99])
def test_gradients_of_the_two_generator_losses(d):
    for kind, expected in (("minimax", -d), ("non-saturating", -(1 - d))):
        logit = probability(d).requires_grad_()
        generator_loss(logit, kind).backward()
        assert logit.grad.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_stay_finite(kind):
    for real, fake in ((100.0, -100.0), (-100.0, 100.0), (0.0, 100.0), (1e4, -1e4)):
        real_logits = torch.tensor([real], requires_grad=True)
        fake_logits = torch.tensor([fake], requires_grad=True)
        loss = discriminator_loss(real_logits, fake_logits, kind)
        loss = loss + generator_loss(fake_logits, kind)
        loss.backward()
        for number in (loss, real_logits.grad, fake_logits.grad):
            assert number.isfinite().all()


def test_extreme_logits_have_the_right_value_and_gradient():
    logit = torch.tensor([-100.0], requires_grad=True)
    loss = generator_loss(logit, "non-saturating")
    loss.backward()
    assert loss.item() == pytest.approx(100.0) and logit.grad.item() == pytest.approx(-1.0)
    wrong = discriminator_loss(torch.tensor([-100.0]), torch.tensor([100.0]), "minimax")
    assert wrong.item() == pytest.approx(200.0)


def test_bad_losses_are_named():
    with pytest.raises(ValueError, match=r"kind.*'lsgan'"):
        discriminator_loss(torch.zeros(2), torch.zeros(2), "lsgan")
    with pytest.raises(ValueError, match=r"kind.*'lsgan'"):
        generator_loss(torch.zeros(2), "lsgan")
    with pytest.raises(ValueError, match=r"fake_logits.*\(2, 1\)"):
        generator_loss(torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"real_logits.*not empty.*\(0,\)"):
        discriminator_loss(torch.zeros(0), torch.zeros(2))


# Penalties ----------------------------------------------------------------------------------------


def linear(points):
    """A critic with gradient (3, 4) everywhere, so of norm 5."""
    return points @ torch.tensor([3.0, 4.0])


def quadratic(points):
    """A critic with gradient 2x."""
    return points.square().sum(1)


def test_gradient_with_respect_to_the_input():
    points = torch.randn(6, 2)
    assert torch.equal(input_gradient(linear, points), torch.tensor([[3.0, 4.0]]).expand(6, 2))
    torch.testing.assert_close(input_gradient(quadratic, points), 2 * points)


def test_r1_of_a_linear_and_a_quadratic_critic():
    points = torch.randn(50, 2)
    assert r1_penalty(linear, points).item() == pytest.approx(12.5)
    expected = 0.5 * (2 * points).square().sum(1).mean()
    assert r1_penalty(quadratic, points).item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradient_penalty_of_a_linear_and_a_quadratic_critic():
    real, fake = torch.randn(50, 2), torch.randn(50, 2)
    assert gradient_penalty(linear, real, fake).item() == pytest.approx(16.0, rel=1e-5)
    random = torch.Generator().manual_seed(3)
    value = gradient_penalty(quadratic, real, fake, random).item()
    share = torch.rand(50, 1, generator=torch.Generator().manual_seed(3))
    between = share * real + (1 - share) * fake
    assert value == pytest.approx((2 * between.norm(dim=1) - 1).square().mean().item(), rel=1e-5)


def test_gradient_penalty_looks_between_the_pairs_and_nowhere_else():
    seen = []

    def critic(points):
        seen.append(points.detach())
        return linear(points)

    gradient_penalty(critic, torch.zeros(100, 2), torch.tensor([[2.0, 4.0]]).expand(100, 2))
    (points,) = seen
    torch.testing.assert_close(points[:, 1], 2 * points[:, 0])
    assert points.min() >= 0 and points[:, 0].max() <= 2
    assert points[:, 0].std() > 0.4  # uniform on [0, 2]: 0.58


def test_penalties_reach_the_weights_of_the_critic():
    critic, points = PointDiscriminator(8), torch.randn(10, 2)
    for penalty in (r1_penalty(critic, points), gradient_penalty(critic, points, points + 1)):
        critic.zero_grad()
        penalty.backward()
        assert critic.layers[0].weight.grad.abs().sum() > 0
    # By hand: D(x) = w·x has R1 = ½‖w‖², with gradient w.
    layer = nn.Linear(2, 1, bias=False)
    r1_penalty(lambda points: layer(points).squeeze(1), points).backward()
    torch.testing.assert_close(layer.weight.grad, layer.weight.detach())


def test_penalties_of_pictures():
    images = torch.rand(4, 1, 8, 8)
    assert r1_penalty(lambda x: x.flatten(1).sum(1), images).item() == pytest.approx(32.0)
    assert gradient_penalty(lambda x: x.flatten(1).sum(1), images, images).item() == pytest.approx(
        49.0
    )


def test_clipping():
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -3.0]]))
        network.bias.fill_(0.005)
    clip_weights(network, 0.01)
    assert network.weight.tolist() == [[pytest.approx(0.01), pytest.approx(-0.01)]]
    assert network.bias.item() == pytest.approx(0.005)


def test_bad_penalties_are_named():
    with pytest.raises(ValueError, match=r"real and fake.*\(3, 2\).*\(4, 2\)"):
        gradient_penalty(linear, torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"critic.*\(3,\).*\(3, 2\)"):
        r1_penalty(lambda points: points, torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"limit.*0"):
        clip_weights(nn.Linear(1, 1), 0)


# Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "lsgan"),
        ("generator_rate", 0.0),
        ("discriminator_rate", -1.0),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("average", 1.0),
        ("discriminator_steps", 0),
        ("penalty", "r2"),
        ("penalty_weight", -1.0),
        ("penalty_every", 0),
        ("clip", 0.0),
    ],
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} must.*{value}"):
        GANSettings(**{name: value})


@pytest.mark.parametrize("given", [{"penalty": "r1"}, {"penalty_weight": 1.0}])
def test_a_penalty_and_its_weight_belong_together(given):
    with pytest.raises(ValueError, match="a penalty needs a weight"):
        GANSettings(**given)


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


# The pair -----------------------------------------------------------------------------------------


def small_gan(seed=0, **settings):
    torch.manual_seed(seed)
    networks = PointGenerator(2, 16), PointDiscriminator(16)
    return GAN(*networks, GANSettings(**settings), seed)


def weights(network):
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_samples_depend_on_the_seed_alone_and_disturb_nothing():
    gan = small_gan()
    before = gan.random.get_state()
    assert torch.equal(gan.sample(5, seed=3), gan.sample(5, seed=3))
    assert not torch.equal(gan.sample(5, seed=3), gan.sample(5, seed=4))
    assert torch.equal(gan.random.get_state(), before)
    assert not gan.sample(5).requires_grad


def test_each_step_moves_its_own_network_alone():
    gan, real = small_gan(), torch.randn(8, 2)
    g, d = weights(gan.generator), weights(gan.discriminator)
    gan.discriminator_step(real)
    assert torch.equal(weights(gan.generator), g)
    assert not torch.equal(weights(gan.discriminator), d)
    d = weights(gan.discriminator)
    gan.generator_step(8)
    assert torch.equal(weights(gan.discriminator), d)
    assert not torch.equal(weights(gan.generator), g)


@pytest.mark.parametrize("kind", KINDS)
def test_one_update_makes_each_loss_smaller(kind):
    gan, real = small_gan(loss=kind, generator_rate=1e-3), torch.randn(256, 2) + 3

    def losses():
        fake_logits = gan.discriminator(gan.sample(256, averaged=False))
        real_logits = gan.discriminator(real)
        return (
            discriminator_loss(real_logits, fake_logits, kind).item(),
            generator_loss(fake_logits, kind).item(),
        )

    before = losses()[0]
    for _ in range(5):
        gan.discriminator_step(real)
    assert losses()[0] < before
    before = losses()[1]
    for _ in range(5):
        gan.generator_step(256)
    assert losses()[1] < before


def test_update_measures_what_it_says():
    gan = small_gan(penalty="r1", penalty_weight=2.0)
    real = torch.randn(8, 2)
    expected = 2.0 * r1_penalty(gan.discriminator, real).item()
    logit = gan.discriminator(real).mean().item()
    measured = gan.update(real)
    assert measured["penalty"].item() == pytest.approx(expected, rel=1e-5)
    assert measured["real_logit"].item() == pytest.approx(logit, rel=1e-5)
    assert set(measured) == {
        "discriminator_loss", "generator_loss", "real_logit", "fake_logit", "penalty",
    }  # fmt: skip
    assert not any(value.requires_grad for value in measured.values())


def test_the_penalty_now_and_then_is_so_many_times_as_heavy():
    gan = small_gan(penalty="r1", penalty_weight=1.0, penalty_every=3)
    values = [gan.update(torch.randn(8, 2))["penalty"].item() for _ in range(6)]
    assert [value > 0 for value in values] == [True, False, False, True, False, False]
    every = small_gan(penalty="r1", penalty_weight=1.0)
    real = torch.randn(8, 2)
    now_and_then = small_gan(penalty="r1", penalty_weight=1.0, penalty_every=3)
    fake = torch.zeros(8, 2)
    assert now_and_then.penalty(real, fake).item() == pytest.approx(
        3 * every.penalty(real, fake).item(), rel=1e-5
    )


def test_the_gradient_penalty_holds_the_gradient_near_one():
    gan = small_gan(loss="wasserstein", penalty="gradient", penalty_weight=10.0)
    real = torch.randn(256, 2) + 2
    for _ in range(300):
        gan.discriminator_step(real)
    norms = input_gradient(gan.discriminator, real / 2).norm(dim=1)
    assert norms.mean().item() == pytest.approx(1.0, abs=0.3)


def test_clipping_and_discriminator_steps():
    gan = small_gan(loss="wasserstein", clip=0.02, discriminator_steps=4)
    gan.update(torch.randn(8, 2))
    assert gan.discriminator_updates == 4
    assert max(p.abs().max().item() for p in gan.discriminator.parameters()) <= 0.02 + 1e-8
    assert max(p.abs().max().item() for p in gan.generator.parameters()) > 0.02


def test_the_average_by_hand():
    gan = small_gan(average=0.5)
    parameter = gan.generator.layers[0].weight
    expected = None
    for round_ in range(12):
        with torch.no_grad():
            parameter.fill_(float(round_))
        gan.averaged.update_parameters(gan.generator)
        memory = min(0.5, (1 + round_) / (10 + round_))
        # The first update copies; later ones move by 1 − memory.
        expected = 0.0 if round_ == 0 else memory * expected + (1 - memory) * round_
    average = gan.averaged.module.layers[0].weight
    torch.testing.assert_close(average, torch.full_like(average, expected))


def test_no_memory_gives_the_generator_itself():
    gan = small_gan(average=0.0)
    for _ in range(3):
        gan.update(torch.randn(8, 2))
    torch.testing.assert_close(gan.sample(5), gan.sample(5, averaged=False))


def test_the_average_has_no_gradient_and_keeps_counters_whole():
    gan = GAN(ImageGenerator(4, 4, side=8), ImageDiscriminator(2, side=8), GANSettings())
    for _ in range(3):
        gan.update(torch.rand(4, 1, 8, 8))
    assert not any(p.requires_grad for p in gan.averaged.parameters())
    counted = gan.averaged.module.norm_1.norm.num_batches_tracked
    assert counted.dtype == torch.int64
    assert counted == gan.generator.norm_1.norm.num_batches_tracked
    averaged = gan.averaged.module.norm_1.norm.running_mean
    assert averaged.abs().sum() > 0


def test_a_generator_without_noise_size_is_refused():
    with pytest.raises(TypeError, match=r"noise_size.*Linear"):
        GAN(nn.Linear(2, 2), PointDiscriminator())


# Training -----------------------------------------------------------------------------------------

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
        gan.random.manual_seed(pair_seed)
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


def test_interrupting_keeps_what_was_learnt(monkeypatch):
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


@pytest.mark.parametrize(("keep", "kept"), [("lowest", 1), ("highest", 0), ("last", 2)])
def test_only_what_was_asked_for_is_kept(keep, kept):
    scores, seen = iter([5.0, 1.0, 3.0]), []

    def evaluate(gan):
        seen.append(weights(gan.averaged))
        return next(scores)

    gan = small_gan()
    settings = GANTrainSettings(updates=6, batch_size=8, evaluate_every=2, keep=keep)
    train_gan(gan, DATA, evaluate=evaluate, settings=settings)
    assert torch.equal(weights(gan.averaged), seen[kept])


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


# Classes ------------------------------------------------------------------------------------------


def conditional_gan():
    generator = ImageGenerator(4, 4, classes=3, side=8)
    return GAN(generator, ImageDiscriminator(2, classes=3, side=8), GANSettings())


def test_samples_of_the_classes_asked_for():
    gan = conditional_gan()
    gan.update(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))
    labels = torch.tensor([2, 0])
    assert gan.sample(2, labels).shape == (2, 1, 8, 8)
    assert not torch.equal(gan.sample(2, labels), gan.sample(2, labels.flip(0)))
    assert torch.equal(gan.sample(5), gan.sample(5))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), r"labels must be from 0 to 2; got 0 to 3"),
        (torch.tensor([-1, 0]), r"labels must be from 0 to 2; got -1 to 0"),
        (torch.tensor([0]), r"labels must be whole numbers \(2,\)"),
        (torch.tensor([0.0, 1.0]), r"labels must be whole numbers \(2,\).*float32"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        conditional_gan().sample(2, labels)


def test_labels_are_wanted_exactly_where_there_are_classes():
    with pytest.raises(ValueError, match=r"3 classes, but none were given"):
        train_gan(conditional_gan(), torch.rand(4, 1, 8, 8), settings=SHORT)
    with pytest.raises(ValueError, match=r"0 classes, but labels were given"):
        train_gan(small_gan(), DATA, torch.zeros(64, dtype=torch.long), settings=SHORT)


def test_bad_images_are_named():
    with pytest.raises(TypeError, match=r"images.*int64"):
        train_gan(small_gan(), torch.zeros(4, 2, dtype=torch.long))
    with pytest.raises(TypeError, match=r"images.*ndarray"):
        train_gan(small_gan(), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"images.*\(n, \*\(2,\)\).*\(4, 3\)"):
        train_gan(small_gan(), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"images.*n >= 1.*\(0, 2\)"):
        train_gan(small_gan(), torch.zeros(0, 2))
    with pytest.raises(TypeError, match=r"evaluate.*int"):
        train_gan(small_gan(), DATA, evaluate=3)


def test_an_empty_history_has_no_speed():
    assert GANHistory().updates_per_second == 0.0
