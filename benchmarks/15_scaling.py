"""The same trainings on this machine in several ways: the tables of notebook 15.

Run `python benchmarks/15_scaling.py`, or `python3 course.py study 15`. It takes about three minutes
on two cores, two on a machine with a GPU. Rows of other machines stay in the file. Each row is
written as soon as it is measured; one that fails says why in the column `error`, and the next one
follows.

- `DCGAN`: the pair and the recipe of notebook 05, at 28 × 28.
- `DCGAN, 256 × 256`: the same networks for large pictures, with twice as many planes.
- `DQN-GAN`: the rounds of notebook 09: play, judge, learn.

`15_scaling_limits.csv`, beside the table, gets the three numbers of
`dqngan_lib.applications.scaling.timing.Limits`.
"""

import argparse
import math
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from recipes import DCGAN, PATCHES
from tables import RESULTS, put
from torch import Tensor, nn

from dqngan_lib.applications.scaling.timing import machine_limits, middle, wait_for
from dqngan_lib.course.data import digits
from dqngan_lib.course.hardware import cores
from dqngan_lib.course.installation import machine
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, fit_codebook
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.gan.model import GAN
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.metrics.digits import digit_fid

BLOCKS = 5
"""Timed pieces of a training; a row is their median."""

BLOCK_SECONDS = 0.25
"""How long a piece shall take at least."""

FID_UPDATES = 2_000
"""As in the row “without labels, longer” of notebook 05's table."""

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
}
"""`tf32` is float32 with NVIDIA's shorter products in convolutions, which is torch's default on
a GPU; in `float32` rows that is switched off. `bfloat16` is `torch.autocast` around each round."""

NEVER_CLOSED = "bfloat16, autocast never closed"
"""One `torch.autocast` around all rounds: a mistake, see notebook 15, section 3."""

FASTER = ("tf32", "bfloat16")


@dataclass(frozen=True)
class Way:
    """One row: what is trained, and how."""

    workload: str
    """See the top of this file."""
    device: str
    """`cpu` or `cuda`."""
    threads: int
    """Threads of the CPU, on a GPU as well: it asks the GPU."""
    dtype: str = "float32"
    """One of `DTYPES`, or `NEVER_CLOSED`."""
    compile: str = "no"
    """`default` or another mode of `torch.compile`, or `no`."""
    channels_last: bool = False
    """Whether pictures lie in memory pixel by pixel instead of plane by plane."""
    batch: int = 64
    """Pictures in a batch."""
    digit_fid: bool = False
    """Whether the pair is trained for `FID_UPDATES` rounds, and scored."""


class CompiledGAN(GAN):
    """The pair of notebook 05 with its networks compiled; the averaged generator stays plain.

    The penalty R1 differentiates twice, which `torch.compile` cannot; so it asks the plain network.

    Args:
        generator: As it was made.
        discriminator: As it was made.
        mode: How to compile; see `torch.compile`.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, mode: str) -> None:
        super().__init__(generator, discriminator, DCGAN, seed=0)
        self.plain = discriminator
        self.generator = torch.compile(generator, mode=mode, dynamic=False)
        self.discriminator = torch.compile(discriminator, mode=mode, dynamic=False)

    def update(self, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Take a round; see `GAN.update`."""
        torch.compiler.cudagraph_mark_step_begin()
        return super().update(real, labels)

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the weighted penalty, of the plain network."""
        compiled, self.discriminator = self.discriminator, self.plain
        try:
            return super().penalty(real, fake, labels)
        finally:
            self.discriminator = compiled


def dcgan(way: Way) -> tuple[GAN, Tensor]:
    """Return the pair of a row, and the pictures it learns from."""
    torch.manual_seed(0)
    if way.workload == "DCGAN":
        generator, discriminator = ImageGenerator(), ImageDiscriminator(spectral=False)
        images = digits().train_images
    else:
        generator = ImageGenerator(noise_size=16, width=128, side=256)
        discriminator = ImageDiscriminator(width=64, side=256, spectral=False)
        images = torch.rand(2 * way.batch, 1, 256, 256)
    layout = torch.channels_last if way.channels_last else torch.contiguous_format
    for network in (generator, discriminator):
        network.to(device=way.device, memory_format=layout)
    images = images.to(device=way.device, memory_format=layout)
    if way.compile == "no":
        gan = GAN(generator, discriminator, DCGAN, seed=0)
    else:
        gan = CompiledGAN(generator, discriminator, way.compile)
    if way.dtype == "bfloat16":
        gan.update = torch.autocast(way.device, torch.bfloat16)(gan.update)
    return gan, images


def trainer(way: Way) -> Callable[[int, int, Callable[[Any], float]], Any]:
    """Return a function that trains on: so many rounds, a call after each piece of so many."""
    if way.workload == "DQN-GAN":
        data = digits(16)
        codebook = fit_codebook(data.train_images[:2_000], patch=4, count=128, seed=0)
        envs = PatchCanvas(way.batch, codebook)
        tokens = envs.episodes(data.train_images)
        real = {"observation": tokens[:, :-1], "action": tokens[:, 1:]}
        torch.manual_seed(0)
        agent = DQNGAN(
            CausalTransformer(codebook, 16).to(way.device),
            CausalTransformer(codebook, 16, dropout=0.1).to(way.device),
            PATCHES,
        )
        return lambda rounds, piece, call: train_dqngan(
            agent,
            envs,
            real,
            evaluate=call,
            settings=DQNGANTrainSettings(
                updates=rounds, batch_size=way.batch, branch_share=0.5, evaluate_every=piece
            ),
        )
    gan, images = dcgan(way)
    return lambda rounds, piece, call: train_gan(
        gan,
        images,
        evaluate=call,
        settings=GANTrainSettings(updates=rounds, batch_size=way.batch, evaluate_every=piece),
    )


def speed(way: Way) -> dict[str, float]:
    """Measure one row: pictures a second, their spread, and the seconds before the first piece."""
    begun = time.perf_counter()
    ends: list[float] = []

    def write_down(_: Any) -> float:
        wait_for(way.device)
        ends.append(time.perf_counter())
        return math.nan

    train = trainer(way)
    warm = 8 if way.workload == "DCGAN" else 2  # R1 comes every eighth round
    train(2 * warm, warm, write_down)
    warm_up = ends[-1] - begun
    piece = max(1, math.ceil(BLOCK_SECONDS * warm / (ends[1] - ends[0])))
    if way.workload == "DCGAN":
        piece = 8 * math.ceil(piece / 8)
    ends.clear()
    train((1 + BLOCKS) * piece, piece, write_down)
    seconds, spread = middle([end - start for start, end in pairwise(ends)])
    return {
        "images_per_second": round(piece * way.batch / seconds, 1),
        "spread": round(spread, 3),
        "warm_up_seconds": round(warm_up, 2),
    }


def quality(way: Way) -> dict[str, float]:
    """Train a DCGAN as that row of notebook 05's table does, and score it."""
    gan, images = dcgan(way)
    started = time.perf_counter()
    train_gan(
        gan,
        images,
        settings=GANTrainSettings(
            updates=FID_UPDATES, learning_rate_end=0.0, evaluate_every=FID_UPDATES
        ),
    )
    wait_for(way.device)
    seconds = time.perf_counter() - started
    with torch.autocast(way.device, enabled=False):
        made = gan.sample(2_000, seed=20_000).cpu()
        score = digit_fid(made, digits().test_images)
    return {
        "images_per_second": round(FID_UPDATES * way.batch / seconds, 1),
        "digit_fid": round(score, 3),
    }


def measure(way: Way) -> dict[str, float]:
    """Measure one row with its settings of torch, and put these back."""
    threads, convolutions = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(way.threads)
    torch.backends.cudnn.allow_tf32 = way.dtype == "tf32"
    try:
        # Not an autocast with enabled=False: inside one, others do not forget their copies either.
        wrong = way.dtype == NEVER_CLOSED
        with torch.autocast(way.device, torch.bfloat16) if wrong else nullcontext():
            return quality(way) if way.digit_fid else speed(way)
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = convolutions
        if way.compile != "no":
            torch.compiler.reset()
        if way.device == "cuda":
            torch.cuda.empty_cache()


LARGE = "DCGAN, 256 × 256"


def plan(cores: int) -> list[Way]:
    """Return the rows for this machine, the most wanted first."""
    counts = sorted({1, min(2, cores), min(8, cores), cores})
    on_cpu = [Way("DCGAN", "cpu", n) for n in counts]
    played = [Way("DQN-GAN", "cpu", n) for n in (1, cores)]
    if torch.cuda.is_available():
        fast = {"channels_last": True, "dtype": "bfloat16"}
        return [
            *[Way("DCGAN", "cuda", 1, dtype) for dtype in DTYPES],
            *[Way("DCGAN", "cuda", 1, d, batch=b) for b in (512, 4_096) for d in FASTER],
            *[Way(LARGE, "cuda", 1, dtype) for dtype in DTYPES],
            Way(LARGE, "cuda", 1, "tf32", channels_last=True),
            Way(LARGE, "cuda", 1, **fast),
            *[Way("DQN-GAN", "cuda", 1, batch=batch) for batch in (64, 512)],
            *[Way("DCGAN", "cuda", 1, d, digit_fid=True) for d in ("bfloat16", NEVER_CLOSED)],
            Way("DCGAN", "cuda", 1, "tf32", "default"),
            *on_cpu,
            Way(LARGE, "cuda", 1, compile="default", **fast),
            Way("DCGAN", "cuda", 1, "tf32", digit_fid=True),
            Way("DCGAN", "cuda", 1, "tf32", "reduce-overhead"),
            Way("DCGAN", "cuda", 1, batch=4_096, **fast),
            *played,
        ]
    return [
        *on_cpu,
        *played,
        Way("DCGAN", "cpu", 1, channels_last=True),
        Way("DCGAN", "cpu", 1, "bfloat16"),
        *[Way(LARGE, "cpu", n, batch=4) for n in (1, cores)],
        *[
            Way(LARGE, "cpu", cores, d, channels_last=True, batch=4)
            for d in ("float32", "bfloat16")
        ],
        Way("DCGAN", "cpu", 1, compile="default"),
    ]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: an exception in a place that swallows it, a destructor say, is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 2.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Measure within so many seconds; return the error's first line if that fails."""
    try:
        with at_most(seconds):
            return work()
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {lines[0]}"[:200]}


def limits(device: str, threads: int, dtype: str) -> dict[str, Any]:
    """Measure the limits of a device, in readable units."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    try:
        found = machine_limits(device, DTYPES[dtype])
    finally:
        torch.set_num_threads(before)
        torch.backends.cuda.matmul.allow_tf32 = False
    return {
        "gigaflops": round(found.flops / 1e9, 1),
        "gigabytes_per_second": round(found.bytes_per_second / 1e9, 2),
        "microseconds_per_call": round(1e6 * found.seconds_per_call, 2),
    }


def main() -> None:
    """Measure the rows of this machine."""
    started = time.perf_counter()
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Measure 15_scaling.csv on this machine.")
    parser.add_argument("--machine", default=machine(), help="its name in the table")
    parser.add_argument("--out", type=Path, default=RESULTS / "15_scaling.csv")
    parser.add_argument("--budget", type=float, default=115 if on_gpu else 240, help="seconds")
    parser.add_argument("--only", nargs="+", help="rows with one of these devices or types alone")
    options = parser.parse_args()
    os.environ["COURSE_HEADLESS"] = "1"

    def left() -> float:
        return options.budget - (time.perf_counter() - started)

    # What hangs beyond Python's reach ends here; the rows so far are on the disk.
    deadline = threading.Timer(options.budget + 10, os._exit, [1])
    deadline.daemon = True
    deadline.start()
    same = {"machine": options.machine}
    end = {"torch": torch.__version__.partition("+")[0]}
    keys = ["machine", "device", "threads", "dtype"]
    found = ["gigaflops", "gigabytes_per_second", "microseconds_per_call"]
    limits_out = options.out.with_name(f"{options.out.stem}_limits.csv")
    empty = dict.fromkeys([*keys, *found, "torch", "error"])
    places = [("cuda", 1, dtype) for dtype in DTYPES] if on_gpu else []
    places += [("cpu", n, "float32") for n in dict.fromkeys((1, cores()))]
    places += [("cpu", 1, "bfloat16")]
    for place in places:
        row = attempt(lambda place=place: limits(*place), min(left(), 20))
        here = same | dict(zip(keys[1:], place, strict=True))
        put(limits_out, empty | here | row | end, keys)
    columns = [*same, *asdict(Way("", "", 0))]
    # The switch and the score have one name; the column holds the score.
    columns.remove("digit_fid")
    columns.append("rounds")
    measured = ["images_per_second", "spread", "warm_up_seconds", "digit_fid"]
    empty = dict.fromkeys([*columns, *measured, "torch", "error"])
    for way in plan(cores()):
        if options.only and not {way.device, way.dtype} & set(options.only):
            continue
        if left() < 3:
            print(f"no time left for {way}")
            continue
        row = asdict(way)
        row.pop("digit_fid")
        row["rounds"] = FID_UPDATES if way.digit_fid else "pieces"
        most = min(left(), 50 if way.device == "cuda" else 25 if on_gpu else 60)
        row |= attempt(lambda way=way: measure(way), most)
        put(options.out, empty | same | row | end, columns)
    deadline.cancel()
    print(f"wrote {options.out} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
