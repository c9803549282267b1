"""The study of notebook 15: the same runs anywhere, and a table that survives a lost worker."""

import subprocess
import sys

import pytest
import torch

from dqngan_lib.applications.scaling.study import RATES, SEEDS, ring_run, work
from dqngan_lib.gan.ring import ring_centres
from tools.notebooks import ROOT

TABLE = {(rate, seed) for rate in RATES for seed in SEEDS}
COMMAND = [sys.executable, "-m", "dqngan_lib.applications.scaling.study", "--updates=2"]


def distance(rate, seed):
    points = ring_run(rate, seed, updates=2)
    return min_distances(points).mean().item()


def min_distances(points):
    gaps = points[:, None] - ring_centres()[None]
    return gaps.square().sum(-1).sqrt().min(1).values


def test_a_run_depends_on_its_own_seed_alone():
    first = ring_run(1e-3, 0, updates=2)
    torch.rand(7)
    assert torch.equal(ring_run(1e-3, 0, updates=2), first)
    assert not torch.equal(ring_run(1e-3, 1, updates=2), first)
    assert not torch.equal(ring_run(4e-3, 0, updates=2), first)


def test_without_optuna_it_says_what_to_install(tmp_path):
    # A folder in front of all others, with an optuna that cannot be imported.
    (tmp_path / "optuna.py").write_text("raise ModuleNotFoundError('No module named optuna')")
    said = subprocess.run(
        [*COMMAND, f"--store={tmp_path / 'ring.log'}"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        'study: No module named optuna. Do this first: pip install -e ".[many]"'
    ]


def test_a_run_that_a_lost_worker_began_is_done_by_another(tmp_path):
    optuna = pytest.importorskip("optuna")
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "ring.log")))
    lost = optuna.create_study(
        study_name="ring",
        storage=storage,
        sampler=optuna.samplers.GridSampler({"rate": RATES, "seed": SEEDS}),
    )
    lost.ask()  # takes a run, and is never heard of again
    table = work(tmp_path / "ring.log", updates=2)
    assert table.keys() == TABLE
    assert table[4e-3, 1] == pytest.approx(distance(4e-3, 1))
    assert work(tmp_path / "ring.log", updates=2) == table


@pytest.mark.slow
def test_two_workers_fill_one_table(tmp_path):
    pytest.importorskip("optuna")
    command = [*COMMAND, f"--store={tmp_path / 'ring.log'}"]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [worker.wait(240) for worker in workers] == [0, 0]
    for worker in workers:
        assert worker.stdout.read().count("from the nearest centre") == len(TABLE)
        worker.stdout.close()
