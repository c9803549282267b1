"""The smearing printer, each remedy removed in turn, and its rivals: the table of notebook 08.

Run `python benchmarks/08_smear.py`, or `python3 course.py study 08`. The whole recipe is measured
on seeds 0 to 9, everything else on 0 to 2. A row is written as soon as it is measured; to measure
it again, delete it from results/08_smear.csv first.

All rivals play as many episodes as the game, but for "inverted": it presses each of the 65,536 sets
of keys once, looks up which made each real picture, and learns those keys by maximum likelihood.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

import torch
from tables import Row, measure, spread
from torch import Tensor, nn

from dqngan_lib.course.training import set_learning_rate
from dqngan_lib.dqngan import enumeration, paths, printer, smearing
from dqngan_lib.dqngan.sampler import move_average
from dqngan_lib.metrics.distributions import total_variation

SETTINGS = paths.PathSettings()
P = printer.noisy_signs()
PICTURES = enumeration.all_pictures()
SIGNS = enumeration.picture_numbers(printer.sign_pictures())


def real_pictures(seed: int, count: int = 400_000) -> Tensor:
    """Draw real pictures, 1 ink and −1 paper."""
    rng = torch.Generator().manual_seed(seed)
    return 2.0 * PICTURES[torch.multinomial(P, count, replacement=True, generator=rng)] - 1


class Uncorrected(paths.PathDQNGAN):
    """Takes the sampler's policy for what the discriminator saw: forgets ε."""

    def play(self, epsilon: float) -> smearing.Paths:
        """Return paths whose log q has no ε in it."""
        played = super().play(epsilon)
        return replace(played, log_q=played.log_policy)


class OneStep(paths.PathDQNGAN):
    """Soft TD: each decision learns from the next one's value, with the same rewards and remedies.

    (1 − η − κ) log π is paid at every decision, as in Munchausen DQN (Vieillard et al. 2020,
    2007.14430), and so is η log q; η logit D is paid at the end.
    """

    def loss(self, played: smearing.Paths) -> Tensor:
        """Return half the mean squared TD error."""
        eta, taken = self.settings.step, played.keys[:, :, None]
        with torch.no_grad():
            target = (1 - eta - self.entropy) * played.log_policy + eta * played.log_q
            target[:, -1] += eta * self.discriminator(played.canvas).clamp(-8, 8)
            target[:, :-1] += self.sampler(played.states[:, 1:]).logsumexp(2)
        q_taken = self.q_network(played.states).gather(2, taken).squeeze(2)
        return 0.5 * (target - q_taken).square().mean()


class Reinforce(paths.PathDQNGAN):
    """Williams 1992 on the network's own paths: rewards with log q, and a baseline."""

    def play(self, epsilon: float) -> smearing.Paths:
        """Play the network itself; a policy gradient has no use for another's paths."""
        return smearing.play_paths(self.q_network, self.settings.batch_size, 0.0, self.rng)

    def loss(self, played: smearing.Paths) -> Tensor:
        """Return a loss whose gradient is −2 E[(R − log π − baseline) ∇ log π]."""
        log_policy = smearing.log_chances(self.q_network, played.states, played.keys).sum(1)
        paid = self.target(played) - log_policy.detach()
        return -2 * ((paid - paid.mean()) * log_policy).mean()


Game = type[paths.PathDQNGAN]
VARIANTS: dict[str, tuple[Game, paths.PathSettings]] = {
    "path consistency": (paths.PathDQNGAN, SETTINGS),
    "without R1": (paths.PathDQNGAN, replace(SETTINGS, r1=0.0)),
    "η = 0.7": (paths.PathDQNGAN, replace(SETTINGS, step=0.7)),
    "ε not corrected": (Uncorrected, SETTINGS),
    "without entropy": (paths.PathDQNGAN, replace(SETTINGS, entropy=0.0)),
    "one-step TD": (OneStep, SETTINGS),
    "REINFORCE": (Reinforce, SETTINGS),
    "REINFORCE, no remedy": (Reinforce, replace(SETTINGS, r1=0.0, entropy=0.0)),
}


def inverted(seed: int) -> tuple[nn.Module, int]:
    """Press all sets of keys, look the real pictures up, and learn their keys by likelihood."""
    real = real_pictures(seed)
    keys_of = torch.empty(len(PICTURES), dtype=torch.int64)
    keys_of[enumeration.picture_numbers(printer.smear(PICTURES))] = torch.arange(len(PICTURES))
    keys = PICTURES[keys_of[enumeration.picture_numbers((real > 0).long())]]
    torch.manual_seed(seed)
    network, slow = smearing.KeyNetwork(), smearing.KeyNetwork()
    optimizer = torch.optim.Adam(network.parameters(), SETTINGS.learning_rate, betas=(0.9, 0.99))
    for done in range(SETTINGS.rounds):
        passed = 1 - (1 - SETTINGS.learning_rate_end) * done / SETTINGS.rounds
        set_learning_rate(optimizer, passed * SETTINGS.learning_rate)
        batch = keys[torch.randint(len(keys), (SETTINGS.batch_size,))]
        loss = -smearing.log_chances(network, smearing.states_of(batch), batch).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        move_average(slow, network, min(SETTINGS.slow_memory, (1 + done) / (10 + done)))
    return slow, len(PICTURES)


def run(variant: str, seed: int) -> Mapping[str, object]:
    """Measure one variant on one seed."""
    start = time.process_time()
    if variant == "inverted":
        network, plays = inverted(seed)
    else:
        kind, settings = VARIANTS[variant]
        game, real = kind(settings, seed), real_pictures(seed)
        for _ in range(settings.rounds):
            game.round(real)
        network, plays = game.slow_network, settings.rounds * settings.batch_size
    seconds = time.process_time() - start
    made = smearing.made_by_keys(network)
    return {
        "total_variation": total_variation(made, P),
        "worst_sign": (made - P)[SIGNS].abs().max().item(),
        "others": 1 - made[SIGNS].sum().item(),
        "plays": plays,
        "seconds": round(seconds, 1),
    }


def jobs(seed: int) -> list[tuple[str]]:
    """Return what is measured on a seed: all of it on the first three."""
    return [(name,) for name in (*VARIANTS, "inverted")][: None if seed < 3 else 1]


def report(rows: list[Row]) -> str:
    """Return a line for each variant: median, least and greatest total variation."""
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        values = [float(row["total_variation"]) for row in rows if row["variant"] == name]
        lines.append(f"{name:24} {spread(values)} on {len(values)} seeds")
    return "\n".join(lines)


if __name__ == "__main__":
    measure("08_smear", ("variant",), jobs, run, report, range(10))
