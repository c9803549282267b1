"""The game of generator and discriminator, one step at a time, after GAN Lab (Kahng et al. 2019).

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

import base64
import io

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib.course.arguments import require
from dqngan_lib.environments.widgets import present
from dqngan_lib.gan.losses import KINDS
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import PointDiscriminator, PointGenerator
from dqngan_lib.gan.plots import draw_game

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
        self.loss = ipywidgets.Dropdown(
            options=KINDS[:2], value="non-saturating", description="loss of G"
        )
        self.arrows = ipywidgets.Checkbox(value=True, description="arrows: where D pushes fakes")
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = []
        for label, press in (
            ("D learns", lambda: self.rounds(1, "D")),
            ("G learns", lambda: self.rounds(1, "G")),
            ("1 round", lambda: self.rounds(1)),
            ("10 rounds", lambda: self.rounds(10)),
            ("100 rounds", lambda: self.rounds(100)),
            ("start again", self.start),
        ):
            button = ipywidgets.Button(description=label, layout=ipywidgets.Layout(width="100px"))
            button.on_click(lambda _, press=press: press())
            buttons.append(button)
        self.loss.observe(lambda _: self.start(), names="value")
        self.arrows.observe(lambda _: self._redraw(), names="value")
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox(buttons),
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
        png = io.BytesIO()
        figure.savefig(png, format="png")
        plt.close(figure)
        data = base64.b64encode(png.getvalue()).decode()
        alt = (
            "The plane, grey where D takes points for real and orange where for fakes; black dots "
            "are real, orange crosses fake, arrows show where each fake is pushed."
        )
        self.picture.value = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
        with torch.no_grad():
            on_real = self.gan.discriminator(self.real).sigmoid().mean().item()
            on_fake = self.gan.discriminator(fake).sigmoid().mean().item()
        self.text.value = (
            f"<pre>steps of D: {self.steps['D']}   steps of G: {self.steps['G']}   "
            f"mean D on real: {on_real:.2f}, on fakes: {on_fake:.2f}</pre>"
        )
