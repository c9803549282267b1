r"""Many short trainings at once: a table of rates and seeds, on one machine or on several.

Notebook 15 does the runs with joblib, on the cores of one machine. On several machines *Optuna*
(Akiba et al. 2019, 1907.10902) hands them out. Its workers need no master and no ports, only a file
in a folder that all of them see; Ray would want a cluster of its own processes. On each machine, as
often as it has free cores (`pip install -e ".[many]"` first):

    .venv/bin/python -m dqngan_lib.applications.scaling.study --store SHARED_FOLDER/ring.log

A worker takes runs until all are done, and then prints the table. One that crashes loses its run
alone: when nothing else is left, another worker does that run again. Near the end two may do the
same run; it gives the same result twice.
"""

import argparse
import os
import sys
from pathlib import Path

import torch
from torch import Tensor

from dqngan_lib.gan.ring import new_ring_gan, ring_centres, ring_points
from dqngan_lib.gan.training import GANTrainSettings, train_gan

RATES = (1e-3, 4e-3)
SEEDS = (0, 1, 2)


def ring_run(rate: float, seed: int, updates: int = 100) -> Tensor:
    """Train a small GAN on the ring of notebook 04 for a moment; return 500 points of it.

    All that it draws comes from its own seed, and it uses one thread: the same points wherever it
    runs, whatever runs beside it.

    Args:
        rate: Learning rate of both networks.
        seed: Of weights, noise and points.
        updates: How long it learns.

    Returns:
        Points of the plane, `(500, 2)`.
    """
    torch.set_num_threads(1)
    gan = new_ring_gan("all three", seed)
    gan.settings.generator_rate = gan.settings.discriminator_rate = rate
    budget = GANTrainSettings(updates=updates, batch_size=128, evaluate_every=updates)
    train_gan(gan, ring_points(5_000, seed), settings=budget, seed=seed)
    return gan.sample(500, seed=seed)


def work(store: Path, updates: int = 100) -> dict[tuple[float, int], float]:
    """Do runs until the table is full, beside other workers on the same file.

    Args:
        store: The file; it is made by the first worker.
        updates: How long each run learns, the same for all workers.

    Returns:
        How far the points of each rate and seed are from their nearest centre, on average.

    Raises:
        ImportError: Optuna is not installed.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Each worker goes through the table in an order of its own, past what is done or taken.
    grid = optuna.samplers.GridSampler({"rate": RATES, "seed": SEEDS})
    study = optuna.create_study(
        study_name="ring",
        storage=JournalStorage(JournalFileBackend(str(store))),
        sampler=grid,
        load_if_exists=True,
    )

    def run(trial: optuna.Trial) -> float:
        rate = trial.suggest_categorical("rate", RATES)
        seed = trial.suggest_categorical("seed", SEEDS)
        distances = torch.cdist(ring_run(rate, seed, updates), ring_centres())
        return distances.min(1).values.mean().item()

    if not grid.is_exhausted(study):
        study.optimize(run)  # GridSampler ends it when the table is full
    done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return {(t.params["rate"], t.params["seed"]): t.value for t in done}


def main() -> None:
    """Be one worker."""
    parser = argparse.ArgumentParser(prog="study", description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="a file that all workers see")
    parser.add_argument("--updates", type=int, default=100, help="how long each run learns")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_HEADLESS", "1")  # no bar for each short run
    try:
        table = work(options.store, options.updates)
    except ImportError as error:
        sys.exit(f'study: {error}. Do this first: pip install -e ".[many]"')
    for (rate, seed), distance in sorted(table.items()):
        print(f"rate {rate:g}, seed {seed}: {distance:.3f} from the nearest centre")


if __name__ == "__main__":
    main()
