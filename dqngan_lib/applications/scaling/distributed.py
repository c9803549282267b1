r"""One training on several processes: copies of the networks, and a part of each batch for each.

torchrun starts the processes, and `DistributedDataParallel` (Li et al. 2020, 2006.15704) takes
the mean of their gradients. In a terminal:

    torchrun --standalone --nproc-per-node=2 \
        -m dqngan_lib.applications.scaling.distributed --out weights.pt "group norm"

From a notebook, `launch` does the same, with a time limit. All of it stays on this computer: the
processes talk through the loopback address.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from dqngan_lib.course.arguments import require
from dqngan_lib.course.data import digits
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator


@dataclass(frozen=True)
class Plan:
    """How the digits of notebook 05 are trained on several processes."""

    norm: Literal["group", "batch", "shared"] = "group"
    """The generator's normalisation: of each picture alone, of the process's part of the batch,
    or of the whole batch."""
    parts: tuple[int, ...] = (32, 32)
    """How many pictures of each batch go to each process; their sum is the batch."""
    weighted: bool = True
    """Whether a process counts as much as its part, or all alike (DDP's own way)."""
    dtype: torch.dtype = torch.float64
    """Of weights and pictures."""


PLANS = {
    "group norm": Plan(),
    "batch norm": Plan("batch"),
    "shared batch norm": Plan("shared"),
    "unequal parts": Plan(parts=(48, 16), weighted=False),
    "unequal parts, weighted": Plan(parts=(48, 16)),
    "group norm, float32": Plan(dtype=torch.float32),
}
"""What notebook 15 runs."""


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the parts of all processes.

    What `torch.nn.SyncBatchNorm` does on GPUs; that one does not run on CPUs.
    """

    def forward(self, planes: Tensor) -> Tensor:
        """Normalise `(part, channels, height, width)`."""
        if not (self.training and dist.is_initialized()):
            return super().forward(planes)
        numbers = planes.new_full((1,), planes[:, 0].numel())
        sums = torch.cat([planes.sum((0, 2, 3)), planes.square().sum((0, 2, 3)), numbers])
        first, second, count = all_reduce(sums).split([*planes.shape[1:2] * 2, 1])
        mean = first / count
        variance = second / count - mean.square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (planes - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


def networks(plan: Plan, seed: int) -> tuple[ImageGenerator, ImageDiscriminator]:
    """Return a new pair, the same in every process."""
    torch.manual_seed(seed)
    generator, discriminator = ImageGenerator(), ImageDiscriminator(spectral=False)
    for layer in (generator.norm_1, generator.norm_2):
        channels = layer.norm.num_features
        if plan.norm == "group":
            layer.norm = nn.GroupNorm(8, channels)
        elif plan.norm == "shared":
            layer.norm = SharedBatchNorm(channels)
    return generator.to(plan.dtype), discriminator.to(plan.dtype)


class PartGAN(GAN):
    """The pair in one of several processes; it sees its own part of each batch.

    Args:
        plan: What is trained.
        rank: Which process this is, from 0 on.
        settings: How the pair learns.
        seed: Seed of weights and noise, the same in every process.
    """

    def __init__(self, plan: Plan, rank: int, settings: GANSettings, seed: int) -> None:
        super().__init__(*networks(plan, seed), settings, seed)
        self.plan, self.noise_size = plan, self.generator.noise_size
        before = sum(plan.parts[:rank])
        self.part = slice(before, before + plan.parts[rank])
        self.alone = self.discriminator
        if dist.is_initialized():
            self.generator = self._in_parallel(self.generator, rank)
            self.discriminator = self._in_parallel(self.discriminator, rank)

    def _in_parallel(self, network: nn.Module, rank: int) -> DistributedDataParallel:
        """Wrap a network so that each backward pass adds up the gradients of all processes."""
        parallel = DistributedDataParallel(network, broadcast_buffers=False)
        if self.plan.weighted:
            share = self.plan.parts[rank] / sum(self.plan.parts)
            parallel.register_comm_hook(share, _add_up)
        return parallel

    def noise(self, count: int) -> Tensor:
        """Draw the noise of the whole batch, and return that of this part."""
        whole = torch.randn(sum(self.plan.parts), self.noise_size, generator=self.rng)
        return whole[self.part].to(self.plan.dtype)

    def generator_step(self, count: int, labels: Tensor | None = None) -> Tensor:
        """Take the generator's step; the discriminator stands still and needs no wrapper."""
        return self._without_wrapper(super().generator_step, count, labels)

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the penalty; its gradients are added up with those of the loss."""
        return self._without_wrapper(super().penalty, real, fake, labels)

    def _without_wrapper(self, work: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Do some work with the discriminator as it was before it was wrapped."""
        parallel, self.discriminator = self.discriminator, self.alone
        try:
            return work(*inputs)
        finally:
            self.discriminator = parallel


def _add_up(share: float, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Add up gradients, each times the share of the batch that it is the mean over."""
    work = dist.all_reduce(bucket.buffer().mul_(share), async_op=True)
    return work.get_future().then(lambda future: future.value()[0])


def train(plan: Plan, rank: int = 0, *, rounds: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Train for some rounds; return all weights by name.

    Args:
        plan: What is trained, and in which parts.
        rank: Which process this is. Without the others, `plan` must have one part.
        rounds: Rounds of the game.
        seed: Of weights, noise and the order of the digits.

    Raises:
        ValueError: The plan has another number of parts than there are processes.
    """
    processes = dist.get_world_size() if dist.is_initialized() else 1
    require(len(plan.parts) == processes, "plan.parts", plan.parts, f"one for each of {processes}")
    settings = GANSettings(penalty="r1", penalty_weight=0.1, penalty_every=8)
    gan = PartGAN(plan, rank, settings, seed)
    images, order = digits().train_images, torch.Generator().manual_seed(seed)
    for _ in range(rounds):
        batch = torch.randint(len(images), (sum(plan.parts),), generator=order)
        gan.update(images[batch[gan.part]].to(plan.dtype))
    return {
        f"{name}.{key.removeprefix('module.')}": value.detach().clone()
        for name in ("generator", "discriminator")
        for key, value in getattr(gan, name).named_parameters()
    }


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the largest difference of any weight between two results of `train`."""
    return max((one[name] - other[name]).abs().max().item() for name in one)


def launch(
    names: Sequence[str], *, rounds: int = 8, seed: int = 0, seconds: float = 180
) -> dict[str, dict[str, Any]]:
    """Run plans on two new processes, and wait for them.

    Args:
        names: Names in `PLANS`.
        rounds: See `train`.
        seed: See `train`.
        seconds: After so long everything is ended.

    Returns:
        For each name `weights`, and `seconds` that its rounds took.

    Raises:
        TimeoutError: It took too long; no process is left.
        RuntimeError: A process failed; its last words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "-m", __name__]
        command += [f"--out={out}", f"--rounds={rounds}", f"--seed={seed}"]
        command += [f"--seconds={seconds}", *names]
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"the processes were not done after {seconds:g} s and have been ended: is the "
                "computer busy with something else?"
            ) from None
        finally:
            _end(process)
        if process.returncode != 0 or not out.is_file():
            raise RuntimeError(f"a process failed. The end of what it said:\n{said[-2_000:]}")
        return torch.load(out, weights_only=True)


def _environment() -> dict[str, str]:
    """Return the variables for the processes: this package, one thread, the loopback device."""
    found = dict(os.environ)
    here = str(Path(__file__).resolve().parents[3])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [here, found.get("PYTHONPATH")]))
    found.setdefault("OMP_NUM_THREADS", "1")
    if hasattr(socket, "if_nameindex"):
        loops = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
        found |= {"GLOO_SOCKET_IFNAME": loops[0]} if loops else {}
    return found


def _end(process: subprocess.Popen) -> None:
    """End torchrun if it still runs: asked politely, it ends its own processes first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.stdout is not None:
        process.stdout.close()


def main() -> None:
    """Train in one of the processes that torchrun has started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plans", nargs="+", choices=list(PLANS))
    parser.add_argument("--out", type=Path, required=True, help="where process 0 saves")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=180, help="the process ends after these")
    options = parser.parse_args()
    # Whatever happens to torchrun: nobody is left waiting for a process that is gone.
    limit = threading.Timer(options.seconds, os._exit, [1])
    limit.daemon = True
    limit.start()
    dist.init_process_group("gloo", timeout=timedelta(seconds=options.seconds))
    try:
        rank, results = dist.get_rank(), {}
        for name in options.plans:
            started = time.perf_counter()
            weights = train(PLANS[name], rank, rounds=options.rounds, seed=options.seed)
            results[name] = {"weights": weights, "seconds": time.perf_counter() - started}
        if rank == 0:
            torch.save(results, options.out)
        dist.barrier()  # nobody closes the connection while another process still uses it
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
