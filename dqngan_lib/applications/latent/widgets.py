"""Ways through a generator's noise: great circles, directions that matter, and a widget for them.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

import base64
import io
import math

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython.display import display
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from dqngan_lib.course.runtime import headless
from dqngan_lib.environments.widgets import present
from dqngan_lib.gan.model import GAN
from dqngan_lib.gan.training import GANHistory
from dqngan_lib.plots import COLORS


def spherical_walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return points on the great circle from one noise vector to another, both included.

    With θ the angle between them: sin((1 − t) θ)/sin θ · start + sin(t θ)/sin θ · end (Shoemake
    1985; for generators White 2016, 1609.04468). Lengths in between lie between those of the
    ends, where the generator was trained; on a straight line they would be shorter.

    Args:
        start: Noise `(size,)`.
        end: Noise `(size,)`.
        steps: The number of points, at least 2.

    Returns:
        Points `(steps, size)`.

    Raises:
        ValueError: The shapes differ, a vector is 0, both point in opposite directions, or
            there are fewer than two steps.
    """
    if start.dim() != 1 or start.shape != end.shape:
        raise ValueError(
            f"start and end must both be (size,); got {tuple(start.shape)}, {tuple(end.shape)}"
        )
    if steps < 2:
        raise ValueError(f"steps must be >= 2; got {steps!r}")
    lengths = start.norm() * end.norm()
    if lengths == 0:
        raise ValueError("start and end must not be 0: they point nowhere")
    angle = ((start @ end) / lengths).clamp(-1, 1).acos()
    if angle > math.pi - 1e-3:
        raise ValueError("start and end point in opposite directions: there is no shortest way")
    share = torch.linspace(0, 1, steps).to(start).unsqueeze(1)
    if angle < 1e-3:
        return (1 - share) * start + share * end
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()


def strongest_directions(weight: Tensor, count: int) -> Tensor:
    """Return the directions of the noise that the generator's first layer answers to most.

    They are the first right singular vectors of its weight matrix A: unit vectors n that make
    ‖A n‖ greatest, one after the other and at right angles (Shen and Zhou 2021, 2007.06600). Each
    is turned so that its largest number is positive.

    Args:
        weight: A, `(outputs, noise_size)`.
        count: How many directions, from 1 to noise_size.

    Returns:
        Directions `(count, noise_size)`, the strongest first.

    Raises:
        ValueError: `weight` is no matrix, or there are not so many directions.
    """
    if weight.dim() != 2 or not 1 <= count <= weight.shape[1]:
        raise ValueError(
            "weight must be (outputs, noise_size) and count from 1 to noise_size; got "
            f"{tuple(weight.shape)} and {count!r}"
        )
    # The right singular vectors of A are the eigenvectors of AᵀA, which is small.
    directions = torch.linalg.eigh(weight.detach().double().T @ weight.detach().double())[1]
    directions = directions.flip(1)[:, :count].T
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).to(weight.dtype)


def picture_of(images: Tensor, scale: int = 4, columns: int = 10) -> bytes:
    """Return a PNG of grey pictures `(n, 1, height, width)` in [0, 1], each pixel a square."""
    grid = make_grid(images.detach().cpu().float().clamp(0, 1), columns, padding=1, pad_value=1.0)
    pixels = Image.fromarray((grid[0] * 255).round().byte().numpy())
    file = io.BytesIO()
    pixels.resize((pixels.width * scale, pixels.height * scale), Image.Resampling.NEAREST).save(
        file, format="png"
    )
    return file.getvalue()


class LatentExplorer:
    """Sliders for a few directions of the noise, the class, and a button for another digit.

    Args:
        gan: A trained pair whose generator has classes; its averaged generator draws.
        directions: Unit vectors of the noise, one slider each, `(count, noise_size)`.
        reach: How far a slider goes to both sides.
        seed: Seed of the first noise vector; the button takes the seeds after it.

    Raises:
        ValueError: The generator has no classes, or the directions do not fit its noise.
    """

    def __init__(self, gan: GAN, directions: Tensor, reach: float = 4.0, seed: int = 0) -> None:
        if gan.classes < 1:
            raise ValueError("gan must have a generator with classes")
        size = gan.generator.noise_size
        if directions.dim() != 2 or directions.shape[1] != size or len(directions) == 0:
            raise ValueError(f"directions must be (count, {size}); got {tuple(directions.shape)}")
        self.gan, self.directions, self.seed = gan, directions.cpu(), int(seed)
        self.label = ipywidgets.IntSlider(value=3, min=0, max=gan.classes - 1, description="class")
        self.sliders = [
            ipywidgets.FloatSlider(
                value=0.0, min=-reach, max=reach, step=0.1, description=f"direction {number}"
            )
            for number in range(1, len(directions) + 1)
        ]
        other = ipywidgets.Button(description="another digit")
        other.on_click(lambda _: self.another())
        self.picture = ipywidgets.HTML()
        for slider in (self.label, *self.sliders):
            slider.observe(self._redraw, names="value")
        controls = ipywidgets.VBox([self.label, *self.sliders, other])
        self.widget = ipywidgets.HBox([controls, self.picture])
        self._redraw()

    def another(self) -> None:
        """Start from other noise, with all directions back at 0."""
        self.seed += 1
        for slider in self.sliders:
            slider.value = 0.0
        self._redraw()

    def image(self) -> Tensor:
        """Return the picture for the present sliders, `(1, 1, height, width)`."""
        random = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(1, self.gan.generator.noise_size, generator=random)
        steps = torch.tensor([slider.value for slider in self.sliders])
        return draw(self.gan, noise + steps @ self.directions, torch.tensor([self.label.value]))

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _redraw(self, change: dict | None = None) -> None:
        data = base64.b64encode(picture_of(self.image(), scale=8)).decode()
        alt = f"A generated picture for class {self.label.value}."
        self.picture.value = f'<img alt="{alt}" src="data:image/png;base64,{data}">'


@torch.no_grad()
def draw(gan: GAN, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return what the averaged generator makes of the given noise, on the CPU.

    Args:
        gan: The pair.
        noise: `(n, noise_size)`.
        labels: The classes asked for, `(n,)`, where the generator has classes.
    """
    network = gan.averaged
    was_training = network.training
    network.eval()
    inputs = (noise.to(gan.device),) if labels is None else (noise.to(gan.device), labels)
    if labels is not None:
        inputs = (inputs[0], labels.to(gan.device))
    images = network(*inputs).cpu()
    network.train(was_training)
    return images


class LiveDigits:
    """Digits of the averaged generator and the score so far, redrawn while training runs.

    Pass it to `train_gan` as `watch`. With nobody watching (`COURSE_HEADLESS=1`) it does nothing.

    Args:
        gan: The pair that is trained.
    """

    def __init__(self, gan: GAN) -> None:
        self.gan = gan
        self._handle = None

    def __call__(self, history: GANHistory) -> None:
        """Redraw."""
        if headless():
            return
        labels = torch.arange(20) % self.gan.classes if self.gan.classes else None
        grid = make_grid(self.gan.sample(20, labels).cpu(), 10, padding=1, pad_value=1.0)
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2))
        left.plot(history.update, history.score, color=COLORS["generated"], marker="o")
        left.set(xlabel="updates", ylabel="digit-FID", yscale="log")
        right.imshow(grid.permute(1, 2, 0).numpy())
        right.set_axis_off()
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)
