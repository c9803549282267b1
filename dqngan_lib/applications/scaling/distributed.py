r"""One training on several processes: copies of the networks, and a part of each batch for each.

torchrun starts the processes, as many as it is asked for, and `DistributedDataParallel` (Li et al.
2020, 2006.15704) takes the mean of their gradients. In a terminal, in the course's folder:

    .venv/bin/torchrun --standalone --nproc-per-node=2 \
        -m dqngan_lib.applications.scaling.distributed --out weights.pt "group norm"

On Windows it is `.venv\Scripts\torchrun`, after `set USE_LIBUV=0` (in PowerShell
`$env:USE_LIBUV=0`). With `--backend nccl` behind the module's name each process takes a GPU of its
own.

From a notebook, `launch` does the same, with a time limit. All of it stays on this computer: the
processes talk through the loopback address.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dqngan_lib.applications.scaling.timing import wait_for
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.data import digits
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator


@dataclass(frozen=True)
class Plan:
    """How the digits of notebook 05 are trained on several processes."""

    norm: Literal["group", "batch", "shared"] = "group"
    """The generator's normalisation: of each picture alone, of the process's part of the batch,
    or of the whole batch."""
    batch: int = 64
    """Pictures in a batch, all processes together."""
    first: int = 1
    """How many times as large the part of the first process is as that of each other."""
    weighted: bool = True
    """Whether a process counts as much as its part, or all alike (DDP's own way)."""
    dtype: torch.dtype = torch.float64
    """Of weights and pictures."""

    def parts(self, processes: int) -> tuple[int, ...]:
        """Return how many pictures of each batch go to each process.

        Args:
            processes: How many there are, the *world size*.

        Raises:
            ValueError: There are so many that one would get nothing.
        """
        whole("processes", processes, 1)
        shares = self.first + processes - 1
        ends = [0, *(round(self.batch * (self.first + k) / shares) for k in range(processes))]
        parts = tuple(end - start for start, end in pairwise(ends))
        few = f"few enough for a picture each of a batch of {self.batch}"
        require(min(parts) > 0, "processes", processes, few)
        return parts


PLANS = {
    "group norm": Plan(),
    "batch norm": Plan("batch"),
    "shared batch norm": Plan("shared"),
    "unequal parts": Plan(first=3, weighted=False),
    "unequal parts, weighted": Plan(first=3),
    "group norm, float32": Plan(dtype=torch.float32),
    "group norm, float32, batch 512": Plan(batch=512, dtype=torch.float32),
}
"""What notebook 15 runs."""


class _SumOverAll(torch.autograd.Function):
    """The sum of a tensor over all processes; so each hears the gradients of all."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        """Return y = Σ x_w, the same in every process."""
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:
        """Return ∂(Σ L_w)/∂x = Σ ∂L_w/∂y."""
        total = slope.clone()
        dist.all_reduce(total)
        return total


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
        first, second, count = _SumOverAll.apply(sums).split([*planes.shape[1:2] * 2, 1])
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
        settings: How the pair learns.
        seed: Seed of weights and noise, the same in every process.
        device: Where this process computes.
    """

    def __init__(
        self, plan: Plan, settings: GANSettings, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(*(network.to(device) for network in networks(plan, seed)), settings, seed)
        self.plan, self.noise_size = plan, self.generator.noise_size
        world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
        parts = plan.parts(world)
        before = sum(parts[:rank])
        self.part = slice(before, before + parts[rank])
        self.share = parts[rank] / plan.batch  # n_w / n
        self.alone = self.discriminator
        if dist.is_initialized():
            self.generator = self._in_parallel(self.generator)
            self.discriminator = self._in_parallel(self.discriminator)

    def _in_parallel(self, network: nn.Module) -> DistributedDataParallel:
        """Wrap a network so that each backward pass adds up the gradients of all processes."""
        parallel = DistributedDataParallel(network)
        if self.plan.weighted:
            parallel.register_comm_hook(self.share, _add_up)
        return parallel

    def noise(self, count: int) -> Tensor:
        """Draw the noise of the whole batch, and return that of this part."""
        batch = torch.randn(self.plan.batch, self.noise_size, generator=self.rng)
        return batch[self.part].to(self.device, self.plan.dtype)

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


@dataclass(frozen=True)
class Trained:
    """What `train` returns."""

    weights: dict[str, Tensor]
    """All weights of both networks, by name, on the CPU."""
    seconds: float
    """Seconds a round: the median of all rounds but the first."""


def train(
    plan: Plan, *, rounds: int = 8, seed: int = 0, device: torch.device | str = "cpu"
) -> Trained:
    """Train for some rounds: this process's part, or all of it where there are no others.

    Args:
        plan: What is trained. Its parts follow from the number of processes.
        rounds: Rounds of the game, 2 or more.
        seed: Of weights, noise and the order of the digits.
        device: Where this process computes.

    Raises:
        ValueError: There are more processes than pictures, or fewer than 2 rounds.
    """
    whole("rounds", rounds, 2)
    settings = GANSettings(penalty="r1", penalty_weight=0.1, penalty_every=8)
    gan = PartGAN(plan, settings, seed, device)
    images, order = digits().train_images, torch.Generator().manual_seed(seed)
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        batch = torch.randint(len(images), (plan.batch,), generator=order)
        gan.update(images[batch[gan.part]].to(device, plan.dtype))
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    weights = {
        f"{name}.{key.removeprefix('module.')}": value.detach().cpu().clone()
        for name in ("generator", "discriminator")
        for key, value in getattr(gan, name).named_parameters()
    }
    return Trained(weights, statistics.median(seconds[1:]))


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the largest difference of any weight between two results of `train`."""
    return max((one[name] - other[name]).abs().max().item() for name in one)


def launch(
    names: Sequence[str],
    *,
    processes: int = 2,
    rounds: int = 8,
    seed: int = 0,
    seconds: float = 180,
) -> dict[str, Trained]:
    """Run plans on new processes, on this computer's CPU, and wait for them.

    Args:
        names: Names in `PLANS`.
        processes: How many.
        rounds: See `train`.
        seed: See `train`.
        seconds: After so long everything is ended.

    Returns:
        For each name what process 0 has trained.

    Raises:
        TimeoutError: It took too long; no process is left.
        RuntimeError: A process failed; its first and last words are in the message.
        ValueError: There are more processes than pictures in a batch.
    """
    for name in names:
        PLANS[name].parts(processes)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--local-addr=127.0.0.1", f"--nproc-per-node={processes}", "-m", __name__]
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
            raise RuntimeError(f"a process failed. What it said:\n{_shortened(said)}")
        found = torch.load(out, weights_only=True)
    return {name: Trained(**fields) for name, fields in found.items()}


def _shortened(said: str, most: int = 1_500) -> str:
    """Return the beginning and the end: torchrun's own report is long, and comes last."""
    return said if len(said) <= 2 * most else f"{said[:most]}\n…\n{said[-most:]}"


def _environment() -> dict[str, str]:
    """Return the variables for the processes: this package, one thread, the loopback address."""
    found = dict(os.environ)
    here = str(Path(__file__).resolve().parents[3])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [here, found.get("PYTHONPATH")]))
    found.setdefault("OMP_NUM_THREADS", "1")
    if sys.platform == "win32":  # torch has no libuv there, and its launcher asks for it
        found.setdefault("USE_LIBUV", "0")
    else:
        names = {name for _, name in socket.if_nameindex()} & {"lo", "lo0"}
        found |= {"GLOO_SOCKET_IFNAME": names.pop()} if names else {}
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


def place(backend: str, plans: Sequence[str]) -> torch.device:
    """Return where this process of torchrun's computes.

    Raises:
        ValueError: It was not started by torchrun, or something is missing: a GPU, a picture.
    """
    if "WORLD_SIZE" not in os.environ:
        raise ValueError("start it with torchrun --standalone --nproc-per-node=2 -m …")
    for name in plans:
        PLANS[name].parts(int(os.environ["WORLD_SIZE"]))
    if backend == "gloo":
        return torch.device("cpu")
    here, found = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if found < here:
        raise ValueError(
            f"--backend nccl takes a GPU a process: {here} processes, GPUs: {found}; "
            "take --backend gloo"
        )
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


def main() -> None:
    """Train in one of the processes that torchrun has started."""
    parser = argparse.ArgumentParser(prog="distributed", description=__doc__.partition("\n")[0])
    parser.add_argument("plans", nargs="+", choices=list(PLANS))
    parser.add_argument("--out", type=Path, required=True, help="where process 0 saves")
    parser.add_argument("--backend", choices=("gloo", "nccl"), default="gloo", help="CPUs or GPUs")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=180, help="the process ends after these")
    options = parser.parse_args()
    try:
        device = place(options.backend, options.plans)
    except ValueError as error:  # one process says it for all
        sys.exit(f"distributed: {error}" if os.environ.get("RANK", "0") == "0" else 1)
    # Whatever happens to torchrun: nobody is left waiting for a process that is gone.
    limit = threading.Timer(options.seconds, os._exit, [1])
    limit.daemon = True
    limit.start()
    on_gpu = {"device_id": device} if device.type == "cuda" else {}
    dist.init_process_group(options.backend, timeout=timedelta(seconds=options.seconds), **on_gpu)
    try:
        results = {}
        for name in options.plans:
            trained = train(PLANS[name], rounds=options.rounds, seed=options.seed, device=device)
            results[name] = vars(trained)
            if dist.get_rank() == 0:
                print(f"{name}: {1e3 * trained.seconds:.0f} ms a round")
        if dist.get_rank() == 0:
            torch.save(results, options.out)
        dist.barrier()  # nobody closes the connection while another process still uses it
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
    # Gloo's threads may still hold tensors that Python must free. Where Python is already closing
    # down, that aborts the process (pytorch/pytorch, pull request 179291). Nothing is left to do.
    sys.stdout.flush()
    os._exit(0)
