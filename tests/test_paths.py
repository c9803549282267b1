"""Path consistency against enumeration: drop log q, η, κ, the ε in log q or R1, and this fails.

Nothing here trains for long. What the core makes of a path is compared with sums over all 65,536
pictures, and with losses written down another way.
"""

import itertools
import math

import pytest
import torch
from torch import nn

from dqngan_lib.dqngan import enumeration, paths, printer, smearing
from dqngan_lib.metrics.distributions import total_variation

P = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def random_network(seed=1, size=1.0):
    """A network with something to say: its last layer is not zero."""
    torch.manual_seed(seed)
    network = smearing.KeyNetwork()
    nn.init.normal_(network.body.layers[-1].weight, std=size)
    return network


# --- The smearing printer


def test_each_key_flips_its_pixel_and_the_right_and_the_lower_one():
    for key in range(16):
        row, column = divmod(key, 4)
        flipped = {(row, column), (row, column + 1), (row + 1, column)}
        expected = [int(divmod(pixel, 4) in flipped) for pixel in range(16)]
        pressed = torch.zeros(1, 16, dtype=torch.int64)
        pressed[0, key] = 1
        assert printer.smear(pressed)[0].tolist() == expected


def test_keys_and_pictures_are_one_to_one():
    numbers = enumeration.picture_numbers(printer.smear(enumeration.all_pictures()))
    assert len(numbers.unique()) == 65_536


def test_a_distribution_moves_from_keys_to_pictures():
    keys = torch.softmax(torch.randn(65_536, generator=rng()).double(), 0)
    pictures = printer.smeared(keys)
    for number in (0, 1, 777, 65_535):
        made = enumeration.picture_numbers(printer.smear(enumeration.all_pictures()[[number]]))
        assert pictures[made] == keys[number]
    assert torch.isclose(pictures.sum(), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (torch.zeros(3, 17, dtype=torch.int64), r"t from 0 to 16; got \(3, 17\)"),
        (torch.zeros(16, dtype=torch.int64), r"got \(16,\)"),
        (torch.full((1, 16), -1), "0 and 1 alone"),
    ],
)
def test_keys_that_are_none_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        printer.smear(keys)


# --- The loss


def test_the_loss_by_hand_on_three_paths():
    """Differences 1, 2 and 6: mean 3, squared distances 4, 1 and 9, their mean 14/3."""
    loss = paths.path_loss(torch.tensor([2.0, 4.0, 9.0]), torch.tensor([1.0, 2.0, 3.0]))
    assert torch.isclose(loss, torch.tensor(14 / 3))


def test_the_loss_is_zero_on_any_paths_where_the_policy_is_right_up_to_z():
    for chosen in itertools.combinations_with_replacement(range(4), 3):
        rows = torch.tensor(chosen)
        assert paths.path_loss(P.log()[rows], 7.0 + P.log()[rows]) < 1e-20
    assert paths.path_loss(P.log(), 2 * P.log()) > 0.1


def test_on_its_own_paths_the_gradient_is_reinforce_with_a_baseline():
    """π = q and κ = 0: half the loss falls as −η (logit D − mean) ∇ log π, for every η."""
    network = random_network()
    game = paths.PathDQNGAN(paths.PathSettings(step=0.3, entropy=0.0), seed=2)
    nn.init.normal_(game.discriminator[0].layers[-1].weight, std=0.3)
    game.sampler = network
    game.q_network = network
    own = game.play(0.0)
    weights = list(network.parameters())
    ours = torch.autograd.grad(0.5 * game.loss(own), weights)
    with torch.no_grad():
        logit = game.discriminator(own.canvas)
        advantage = logit - logit.mean()
    paid = -0.3 * (advantage * smearing.log_chances(network, own.states, own.keys).sum(1)).mean()
    reinforce = torch.autograd.grad(paid, weights)
    for a, b in zip(ours, reinforce, strict=True):
        assert torch.allclose(a, b, atol=1e-5 * b.abs().max().item())
    assert max(b.abs().max() for b in reinforce) > 1e-3


# --- The target


@pytest.mark.parametrize(("eta", "kappa"), [(0.3, 0.0), (1.0, 0.0), (0.3, 0.3), (0.5, 0.25)])
@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_the_game_comes_to_rest_where_it_should(eta, kappa, epsilon):
    """Two decisions, the best judge against the exploring sampler: p^{η/(η+κ)} / Z."""
    policy = [torch.zeros(1, 2).double(), torch.zeros(2, 2).double()]
    for _ in range(400):
        policy = [step.log_softmax(1) for step in policy]
        log_policy = enumeration.path_sums(policy)
        log_q = enumeration.path_sums(enumeration.explore(policy, epsilon))
        target = paths.path_target(log_policy, log_q, P.log() - log_q, eta, kappa)
        policy, _ = enumeration.soft_values(target)
    end = torch.softmax(P.log() * eta / (eta + kappa), 0)
    found = enumeration.distribution_of(enumeration.boltzmann(policy))
    assert total_variation(found, end) < 1e-6


def test_two_paths_to_one_picture_need_no_count():
    """Paths 0 and 1 make the picture A, path 2 makes B; the judge sees A and B alone."""
    picture = torch.tensor([0, 0, 1])
    p = torch.tensor([0.7, 0.3], dtype=torch.float64)
    log_policy = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()
    for _ in range(100):
        q = torch.zeros(2, dtype=torch.float64).index_add(0, picture, log_policy.exp())
        logit = (p / q).log()[picture]
        log_policy = paths.path_target(log_policy, log_policy, logit, 0.3).log_softmax(0)
    assert torch.allclose(log_policy.exp(), torch.tensor([0.28, 0.42, 0.3]).double(), atol=1e-6)


def test_shares_out_of_range_are_refused():
    one = torch.zeros(1)
    for step, entropy in ((0.0, 0.0), (1.1, 0.0), (0.5, 0.6), (0.5, -0.1)):
        with pytest.raises(ValueError, match=r"(step|entropy) must be"):
            paths.path_target(one, one, one, step, entropy)
    with pytest.raises(ValueError, match="entropy must be"):
        paths.PathSettings(step=0.8, entropy=0.3)


class BestJudge(nn.Module):
    """log p(x) − log q(x) against an exploring sampler, looked up for every picture."""

    def __init__(self, log_p, sampler, epsilon):
        super().__init__()

        def q_values(prefix):
            return sampler(smearing.see(2.0 * printer.smear(prefix) - 1, prefix.shape[1]))

        policy = enumeration.boltzmann(enumeration.table_of(q_values))
        shown = enumeration.distribution_of(enumeration.explore(policy, epsilon))
        self.logit = log_p - printer.smeared(shown).log()

    def forward(self, canvas):
        """Look the pictures up."""
        return self.logit[enumeration.picture_numbers((canvas > 0).long())].float()


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_every_path_gets_its_place_between_the_sampler_and_the_data(epsilon):
    """R = (1 − η − κ) log π + η log p, for p and π of all pictures and an ε that is not small."""
    settings = paths.PathSettings(step=0.25, entropy=0.25, entropy_ends=1.0, rounds=4)
    game = paths.PathDQNGAN(settings)
    game.sampler = random_network(size=0.03)
    log_p = torch.log_softmax(torch.randn(65_536, generator=rng(5)).double(), 0)
    game.discriminator = BestJudge(log_p, game.sampler, epsilon)
    log_pi = smearing.made_by_keys(game.sampler).log()
    for done, kappa in ((0, 0.25), (2, 0.125), (4, 0.0)):
        game.done = done
        played = game.play(epsilon)
        number = enumeration.picture_numbers((played.canvas > 0).long())
        expected = (0.75 - kappa) * log_pi[number] + 0.25 * log_p[number]
        assert torch.allclose(game.target(played).double(), expected, atol=2e-4)


# --- Playing


def test_decisions_come_as_often_as_log_q_says():
    """Forty thousand episodes: each first two decisions as often as their log q, within 5 σ."""
    count, epsilon = 40_000, 0.5
    played = smearing.play_paths(random_network(size=3.0), count, epsilon, rng(3))
    q = played.log_q[:, :2].sum(1).exp()
    for first, second in itertools.product((0, 1), repeat=2):
        these = (played.keys[:, 0] == first) & (played.keys[:, 1] == second)
        expected = q[these].mean().item()
        assert abs(these.float().mean().item() - expected) < 5 * math.sqrt(expected / count)
    pure = played.log_policy.exp()
    assert torch.allclose(played.log_q.exp(), 0.5 * pure + 0.25, atol=1e-5)


def test_a_path_ends_at_the_picture_of_its_keys_and_is_read_back_alike():
    network = random_network()
    played = smearing.play_paths(network, 64, 0.1, rng())
    assert torch.equal(played.canvas, 2.0 * printer.smear(played.keys) - 1)
    assert torch.equal(smearing.states_of(played.keys), played.states)
    read = smearing.log_chances(network, played.states, played.keys)
    assert torch.allclose(read, played.log_policy, atol=1e-5)


def test_the_exact_distribution_agrees_with_what_is_played():
    network = random_network(size=3.0)
    exact = smearing.made_by_keys(network)
    played = smearing.play_paths(network, 20_000, 0.0, rng(1))
    number = enumeration.picture_numbers((played.canvas > 0).long())
    assert torch.allclose(exact[number].log().float(), played.log_policy.sum(1), atol=1e-3)


# --- The discriminator


class Parabola(nn.Module):
    """A judge w·x²: its slope is 2 w x."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((16,), 0.1))

    def forward(self, canvas):
        """Map (n, 16) to (n,)."""
        return canvas.square() @ self.weight


def test_the_judge_pays_for_its_slope_at_real_pictures():
    """Where real pictures are 1 everywhere R1 is λ/2 |2 w|², with the gradient 4 λ w."""
    steps = {}
    for r1 in (0.0, 0.5):
        game = paths.PathDQNGAN(paths.PathSettings(r1=r1))
        game.discriminator = judge = Parabola()
        game.discriminator_optimizer = torch.optim.SGD(judge.parameters(), 1.0)
        game.update_discriminator(torch.ones(4, 16), torch.full((4, 16), 2.0))
        steps[r1] = judge.weight.detach().clone()
    assert torch.allclose(steps[0.0] - steps[0.5], torch.full((16,), 0.2), atol=1e-6)


# --- The game


def test_a_run_is_repeatable_counts_its_rounds_and_keeps_the_global_stream():
    real = 2.0 * printer.sign_pictures() - 1
    torch.manual_seed(9)
    before = torch.get_rng_state()
    ends = []
    for _ in range(2):
        game = paths.PathDQNGAN(paths.PathSettings(rounds=4, batch_size=8), seed=3)
        history = paths.train_on_finished(game, real, lambda network: 1.5, evaluate_every=2)
        ends.append(torch.cat([w.flatten() for w in game.slow_network.parameters()]))
    assert torch.equal(*ends)
    assert history.round == [2, 4]
    assert history.score == [1.5, 1.5]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_short_game_finds_the_only_picture_there_is():
    picture = printer.sign_pictures()[:1]
    short = {"rounds": 250, "batch_size": 64, "learning_rate": 4e-3, "slow_memory": 0.9}
    game = paths.PathDQNGAN(paths.PathSettings(**short))
    real = 2.0 * picture - 1
    paths.train_on_finished(game, real, lambda network: 0.0, evaluate_every=250)
    made = smearing.made_by_keys(game.slow_network)[enumeration.picture_numbers(picture)]
    assert made > 0.5
