"""The game one step at a time, after GAN Lab (Kahng et al. 2019); numbers for a generator's noise.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

import ipywidgets
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

from dqngan_lib.course.arguments import require
from dqngan_lib.course.widgets import announced, buttons, choice, number, present, tick
from dqngan_lib.gan.latent import draw
from dqngan_lib.gan.losses import KINDS
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import PointDiscriminator, PointGenerator
from dqngan_lib.gan.plots import draw_game
from dqngan_lib.gan.training import GANHistory
from dqngan_lib.plots import COLORS, LivePlot, img_tag

BATCH = 64
"""Real points, and fakes, in each step."""


class GameStepper:
    """Two players on points in the plane; each button is a step of one of them, or of both.

    Args:
        real: The real points `(n, 2)`.
        seed: Seed of both networks, of the noise and of the batches.
        reach: The picture shows the plane from −reach to reach.

    Raises:
        ValueError: `real` is not `(n, 2)`, or empty.
    """

    def __init__(self, real: Tensor, seed: int = 0, reach: float = 3.0) -> None:
        points = real.dim() == 2 and real.shape[1] == 2 and len(real) > 0
        require(points, "real", tuple(real.shape), "(n, 2) with n >= 1")
        self.real, self.seed, self.reach = real, int(seed), reach
        self.loss = choice("loss of G", KINDS[:2], "non-saturating")
        self.arrows = tick("arrows: where D pushes fakes", True)
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        presses = {
            "D learns": lambda: self.rounds(1, "D"),
            "G learns": lambda: self.rounds(1, "G"),
            "1 round": lambda: self.rounds(1),
            "10 rounds": lambda: self.rounds(10),
            "100 rounds": lambda: self.rounds(100),
            "start again": self.start,
        }
        self.loss.observe(lambda _: self.start(), names="value")
        self.arrows.observe(lambda _: self._redraw(), names="value")
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox(buttons(presses, "100px")),
                ipywidgets.HBox([self.loss, self.arrows]),
                self.text,
                self.picture,
            ]
        )
        self.start()

    def start(self) -> None:
        """Begin a new game with the loss that is chosen."""
        settings = GANSettings(
            loss=self.loss.value, generator_rate=2e-3, discriminator_rate=5e-3, average=0.0
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            networks = PointGenerator(width=32), PointDiscriminator(width=32)
        self.gan = GAN(*networks, settings, self.seed)
        self.rng = torch.Generator().manual_seed(self.seed)
        self.steps = {"D": 0, "G": 0}
        self._redraw()

    def rounds(self, count: int, players: str = "DG") -> None:
        """Take so many rounds: a step of each player, or of one of them alone."""
        for player in players * count:
            self._discriminator_step() if player == "D" else self._generator_step()
            self.steps[player] += 1
        self._redraw()

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _discriminator_step(self) -> None:
        index = torch.randint(len(self.real), (BATCH,), generator=self.rng)
        self.gan.discriminator.requires_grad_(True)
        self.gan.discriminator_step(self.real[index])
        self.gan.discriminator.requires_grad_(False)

    def _generator_step(self) -> None:
        self.gan.generator_step(BATCH)

    def _redraw(self) -> None:
        figure, axes = plt.subplots(figsize=(4.6, 4.0))
        fake = self.gan.sample(200, seed=self.seed, averaged=False)
        picture = draw_game(
            axes,
            self.gan.discriminator,
            self.real[:300],
            fake,
            kind=self.loss.value,
            reach=self.reach,
            arrows=60 if self.arrows.value else 0,
        )
        figure.colorbar(picture, label="D(x)", shrink=0.8)
        alt = (
            "The plane, grey where D takes points for real and orange where for fakes; black dots "
            "are real, orange crosses fake, arrows show where each fake is pushed."
        )
        self.picture.value = img_tag(figure, alt)
        with torch.no_grad():
            on_real = self.gan.discriminator(self.real).sigmoid().mean().item()
            on_fake = self.gan.discriminator(fake).sigmoid().mean().item()
        self.text.value = announced(
            f"steps of D: {self.steps['D']}; steps of G: {self.steps['G']}; "
            f"mean D on real: {on_real:.2f}, on fakes: {on_fake:.2f}"
        )


class LatentExplorer:
    """Numbers for a few directions of the noise, the class, and a button for another digit.

    Args:
        gan: A trained pair whose generator has classes; its averaged generator draws.
        directions: Unit vectors of the noise, one number each, `(count, noise_size)`.
        reach: How far a number goes to both sides.
        seed: Seed of the first noise vector; the button takes the seeds after it.

    Raises:
        ValueError: The generator has no classes, or the directions do not fit its noise.
    """

    def __init__(self, gan: GAN, directions: Tensor, reach: float = 4.0, seed: int = 0) -> None:
        require(gan.classes >= 1, "gan", "none", "a pair whose generator has classes")
        size, shape = gan.generator.noise_size, tuple(directions.shape)
        require(len(shape) == 2 and shape[1] == size, "directions", shape, f"(count, {size})")
        self.gan, self.directions, self.seed = gan, directions.cpu(), int(seed)
        self.label = number("class", min(3, gan.classes - 1), 0, gan.classes - 1)
        self.steps = [
            number(f"direction {position}", 0.0, -reach, reach, 0.5)
            for position in range(1, len(directions) + 1)
        ]
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.label, *self.steps):
            control.observe(self._redraw, names="value")
        other = buttons({"another digit": self.another})
        controls = ipywidgets.VBox([self.label, *self.steps, *other, self.text])
        self.widget = ipywidgets.HBox([controls, self.picture])
        self._redraw()

    def another(self) -> None:
        """Start from other noise, with all directions back at 0."""
        self.seed += 1
        for step in self.steps:
            step.value = 0.0
        self._redraw()

    def image(self) -> Tensor:
        """Return the picture for the present numbers, `(1, 1, height, width)`."""
        rng = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(1, self.gan.generator.noise_size, generator=rng)
        steps = torch.tensor([step.value for step in self.steps])
        return draw(self.gan, noise + steps @ self.directions, torch.tensor([self.label.value]))

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _redraw(self, change: dict | None = None) -> None:
        large = self.image()[0].repeat_interleave(8, 1).repeat_interleave(8, 2)
        alt = f"A generated picture for class {self.label.value}."
        self.picture.value = img_tag(large, alt)
        steps = ", ".join(f"{step.value:g}" for step in self.steps)
        self.text.value = announced(f"seed {self.seed}, class {self.label.value}, steps {steps}")


class LiveDigits(LivePlot):
    """Digits of the averaged generator and the score so far, redrawn while training runs.

    Pass it to `train_gan` as `watch`.

    Args:
        gan: The pair that is trained.
    """

    def __init__(self, gan: GAN) -> None:
        self.gan = gan

    def draw(self, history: GANHistory) -> Figure:
        """Draw the scores over the updates, and twenty digits beside them."""
        labels = torch.arange(20) % self.gan.classes if self.gan.classes else None
        grid = make_grid(self.gan.sample(20, labels).cpu(), 10, padding=1, pad_value=1.0)
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2))
        left.plot(history.update, history.score, color=COLORS["generated"], marker="o")
        left.set(xlabel="updates", ylabel="digit-FID", yscale="log")
        right.imshow(grid.permute(1, 2, 0).numpy())
        right.set_axis_off()
        return figure
