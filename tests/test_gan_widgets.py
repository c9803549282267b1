"""Pictures of the game and its widget, without a browser: they run and say what is true."""

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch

from dqngan_lib import plots
from dqngan_lib.gan import plots as gan_plots
from dqngan_lib.gan.training import GANHistory
from dqngan_lib.gan.widgets import GameStepper

REAL = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)) * 0.2 + 1.0


@pytest.fixture
def stepper():
    return GameStepper(REAL)


def buttons(stepper):
    return {b.description: b for b in stepper.widget.children[0].children}


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_each_button_moves_its_own_player(stepper):
    press = {name: button.click for name, button in buttons(stepper).items()}
    d, g = weights(stepper.gan.discriminator), weights(stepper.gan.generator)
    press["D learns"]()
    assert not torch.equal(weights(stepper.gan.discriminator), d)
    assert torch.equal(weights(stepper.gan.generator), g)
    d = weights(stepper.gan.discriminator)
    press["G learns"]()
    assert torch.equal(weights(stepper.gan.discriminator), d)
    assert not torch.equal(weights(stepper.gan.generator), g)
    assert stepper.steps == {"D": 1, "G": 1}
    press["10 rounds"]()
    assert stepper.steps == {"D": 11, "G": 11}
    press["start again"]()
    assert stepper.steps == {"D": 0, "G": 0}
    assert torch.equal(weights(stepper.gan.generator), g)


def test_picture_and_text_follow(stepper):
    before = stepper.picture.value, stepper.text.value
    assert 'alt="' in before[0] and "steps of D: 0" in before[1]
    stepper.rounds(3)
    assert stepper.picture.value != before[0] and "steps of G: 3" in stepper.text.value
    with_arrows = stepper.picture.value
    stepper.arrows.value = False
    assert stepper.picture.value != with_arrows
    assert not plt.get_fignums()


def test_another_loss_starts_again(stepper):
    stepper.rounds(2)
    stepper.loss.value = "minimax"
    assert stepper.steps == {"D": 0, "G": 0} and stepper.gan.settings.loss == "minimax"


def test_the_same_seed_plays_the_same_game(stepper):
    state = torch.get_rng_state()
    other = GameStepper(REAL)
    assert torch.equal(torch.get_rng_state(), state)
    stepper.rounds(5), other.rounds(5)
    assert torch.equal(weights(stepper.gan.generator), weights(other.gan.generator))


def test_it_shows_itself_to_people_only(stepper, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("dqngan_lib.course.widgets.display", shown.append)
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    stepper.show()
    assert not shown and "JupyterLab or Colab" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    stepper.show()
    assert shown == [stepper.widget] and isinstance(shown[0], ipywidgets.VBox)


@pytest.mark.parametrize("real", [torch.zeros(3), torch.zeros(0, 2), torch.zeros(3, 3)])
def test_bad_points_are_named(real):
    with pytest.raises(ValueError, match="real must be"):
        GameStepper(real)


# Pictures -----------------------------------------------------------------------------------------


def uphill(points):
    """A discriminator whose logit grows to the right."""
    return 2.0 * points[:, 0]


def test_pushes_by_hand():
    fake = torch.tensor([[0.0, 0.0], [1.0, 5.0], [-3.0, 0.0]])
    d = torch.sigmoid(2 * fake[:, 0])
    right = torch.tensor([[1.0, 0.0]])
    expected = {"minimax": 2 * d, "non-saturating": 2 * (1 - d), "hinge": torch.full((3,), 2.0)}
    for kind, length in expected.items():
        torch.testing.assert_close(gan_plots.pushes(uphill, fake, kind), length[:, None] * right)


@pytest.mark.parametrize("direction", [(9.0, 0.0), (0.0, 9.0), (-9.0, 0.0), (0.0, -9.0)])
def test_the_field_is_not_mirrored(direction):
    figure, axes = plt.subplots()
    slope = torch.tensor(direction)
    points = {"real": REAL, "fake": REAL, "reach": 2.0, "arrows": 0}
    painted = gan_plots.draw_game(axes, lambda points: points @ slope, **points)
    paths = dict(zip(painted.layers, painted.get_paths(), strict=True))
    surest = paths[max(paths)].vertices.mean(0)  # where D is from 0.9 to 1
    assert surest @ slope.numpy() / 9 > 0.5
    assert painted.get_clim() == (0.05, 0.95) or painted.levels[[0, -1]].tolist() == [0.0, 1.0]
    plt.close(figure)


def test_a_moment_has_points_and_arrows():
    figure, axes = plt.subplots()
    gan_plots.draw_game(axes, uphill, REAL, REAL - 1, arrows=7, title="now")
    kinds = [type(part).__name__ for part in axes.collections]
    assert kinds.count("PathCollection") == 2 and kinds.count("Quiver") == 1
    (quiver,) = (part for part in axes.collections if type(part).__name__ == "Quiver")
    assert quiver.N == 7 and axes.get_title(loc="left") == "now"
    plt.close(figure)
    plt.close(gan_plots.draw_players())


def test_the_live_game_draws_for_people_only(stepper, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda figure, **_: shown.append(figure))
    live, history = gan_plots.LiveGame(stepper.gan, REAL), GANHistory(update=[5])
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    live(history)
    assert not shown
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    live(history)
    assert len(shown) == 1 and not plt.get_fignums()
