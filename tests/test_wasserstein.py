"""The Wasserstein distance on a line agrees with SciPy, with its closed forms and with duality."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn

from dqngan_lib.gan.networks import PointDiscriminator
from dqngan_lib.gan.wasserstein import look_at_critic, wasserstein_1d, wasserstein_gaussians


@pytest.mark.parametrize("sizes", [(1, 1), (7, 7), (5, 9), (200, 31)])
@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_scipy(sizes: tuple[int, int], weighted: bool) -> None:
    """Equal and unequal sizes, with and without weights, ties included."""
    rng = np.random.default_rng(sum(sizes))
    x, y = (rng.normal(size=size).round(1) for size in sizes)
    weights = [rng.random(size) for size in sizes] if weighted else [None, None]
    given = wasserstein_1d(*map(torch.from_numpy, (x, y)), *weights)
    assert given == pytest.approx(wasserstein_distance(x, y, *weights), abs=1e-12)


def test_three_heaps_by_hand() -> None:
    """Three shovels at 0 and one at 1, to be one at 0, one at 1 and two at 2."""
    place = torch.tensor([0.0, 1.0, 2.0])
    p, q = torch.tensor([3.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 2.0])
    assert wasserstein_1d(place, place, p, q) == pytest.approx(4 / 4)


def test_least_over_all_plans() -> None:
    """No way of pairing equal points is cheaper than the sorted one."""
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 6, generator=rng, dtype=torch.float64)
    plans = itertools.permutations(range(6))
    cheapest = min((x - y[list(plan)]).abs().mean().item() for plan in plans)
    assert wasserstein_1d(x, y) == pytest.approx(cheapest)


def test_greatest_over_all_critics() -> None:
    """Duality: on a line the best critic has slope 1 or −1 between neighbours; try them all."""
    rng = torch.Generator().manual_seed(1)
    x, y = torch.randn(4, generator=rng).double(), torch.randn(3, generator=rng).double()
    places = torch.cat([x, y])
    order = places.argsort()
    steps = places[order].diff()
    values = []
    for signs in itertools.product((-1.0, 1.0), repeat=6):
        critic = torch.empty(7, dtype=torch.float64)
        climbed = (torch.tensor(signs, dtype=torch.float64) * steps).cumsum(0)
        critic[order] = torch.cat([torch.zeros(1, dtype=torch.float64), climbed])
        values.append((critic[:4].mean() - critic[4:].mean()).item())
    assert wasserstein_1d(x, y) == pytest.approx(max(values))


def test_shift_scale_and_symmetry() -> None:
    """A shift costs its length, a stretch its factor; both directions cost the same."""
    x = torch.randn(50, generator=torch.Generator().manual_seed(2)).double()
    assert wasserstein_1d(x, x - 3.5) == pytest.approx(3.5)
    assert wasserstein_1d(x, x) == 0
    y = x.square()
    assert wasserstein_1d(x, y) == pytest.approx(wasserstein_1d(y, x))
    assert wasserstein_1d(2 * x, 2 * y) == pytest.approx(2 * wasserstein_1d(x, y))


@pytest.mark.parametrize(
    "parameters", [(0, 1, 3, 1), (1, 0.5, 0, 2), (0, 1, 0, 3), (-2, 0, 1, 2), (1, 0, 4, 0)]
)
def test_gaussians(parameters: tuple[float, float, float, float]) -> None:
    """The closed form equals SciPy's distance between 40,000 quantiles of each."""
    mean_1, std_1, mean_2, std_2 = parameters
    z = torch.special.ndtri((torch.arange(40_000).double() + 0.5) / 40_000).numpy()
    measured = wasserstein_distance(mean_1 + std_1 * z, mean_2 + std_2 * z)
    assert wasserstein_gaussians(*parameters) == pytest.approx(measured, rel=1e-3)


def test_shifted_gaussians_cost_the_shift() -> None:
    """Equal widths: the distance is the distance of the means."""
    assert wasserstein_gaussians(-1.0, 2.0, 4.0, 2.0) == 5.0


def test_look_at_a_linear_critic() -> None:
    """Outputs are the critic's means; the slope of a linear critic is the norm of its weights."""
    critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    critic[0].weight.data, critic[0].bias.data = torch.tensor([[3.0, 4.0]]), torch.tensor([7.0])
    real, fake = torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    seen = look_at_critic(critic, real, fake)
    assert seen == pytest.approx(
        {"output_real": 13.0, "output_fake": 11.0, "slope_real": 5.0, "slope_between": 5.0}
    )


def test_looking_changes_nothing() -> None:
    """A look leaves weights, buffers, gradients and training mode as they were."""
    torch.manual_seed(0)
    critic = PointDiscriminator(8, spectral=True)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    look_at_critic(critic, torch.randn(4, 2), torch.randn(4, 2))
    assert critic.training
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert all(torch.equal(before[name], value) for name, value in critic.state_dict().items())


def test_slope_between_is_taken_between() -> None:
    """The critic x² is flat at real points in 0, and slope 2x̂ lies below 2 · 1 between."""
    rng = torch.Generator().manual_seed(0)
    seen = look_at_critic(_Square(), torch.zeros(4_000, 1), torch.ones(4_000, 1), rng)
    assert seen["slope_real"] == 0
    assert seen["slope_between"] == pytest.approx(1.0, abs=0.05)


class _Square(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square().sum(1)


ZEROS, NAN = torch.zeros(3), torch.tensor([float("nan")])
MINUS = torch.tensor([1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        (wasserstein_1d, (torch.zeros(3, 1), ZEROS), ValueError, "x must be"),
        (wasserstein_1d, (ZEROS, torch.zeros(0)), ValueError, "y must be"),
        (wasserstein_1d, (NAN, ZEROS), ValueError, "x must be finite"),
        (wasserstein_1d, ([1, 2], ZEROS), TypeError, "x must be"),
        (wasserstein_1d, (ZEROS, ZEROS, torch.ones(2)), ValueError, "x_weights"),
        (wasserstein_1d, (ZEROS, ZEROS, torch.ones(3), MINUS), ValueError, "y_weights"),
        (wasserstein_1d, (ZEROS, ZEROS, ZEROS), ValueError, "x_weights.*all 0"),
        (wasserstein_gaussians, (0, 1, 0, -1), ValueError, "std_2"),
        (look_at_critic, (nn.Flatten(0), ZEROS[:2], ZEROS), ValueError, "one shape"),
    ],
)
def test_bad_inputs(function, arguments, error, words) -> None:
    """Each error names the argument."""
    with pytest.raises(error, match=words):
        function(*arguments)
