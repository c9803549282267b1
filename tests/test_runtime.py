"""Seeds, claims and checkpoints."""

import json
import math
import os
import random
import re

import numpy as np
import pytest
import torch

from dqngan_lib.course import runtime
from dqngan_lib.course.runtime import claim, load_checkpoint, save_checkpoint, seed_everything


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch):
    """Start without the course's variables, and put the seed back."""
    for name in ("COURSE_SEED", "COURSE_CLAIMS", "COURSE_NOTEBOOK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runtime, "_seed_in_use", None)


# --- seeds --------------------------------------------------------------------------------------


def draws() -> tuple:
    """Draw from the three global generators."""
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_a_seed_repeats_all_three_generators():
    assert seed_everything(3) == 3
    first = draws()
    draws()
    assert seed_everything(np.int64(3)) == 3
    assert draws() == first
    seed_everything(4)
    assert all(one != other for one, other in zip(draws(), first, strict=True))


def test_course_seed_takes_the_place_of_the_seed(monkeypatch):
    seed_everything(7)
    expected = draws()
    monkeypatch.setenv("COURSE_SEED", "7")
    assert seed_everything(0) == 7
    assert draws() == expected


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_least_and_the_greatest_seed(seed):
    assert seed_everything(seed) == seed


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "x", None, [1]])
def test_an_impossible_seed_is_named_and_seeds_nothing(seed):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=re.escape(f"seed={seed!r}")):
        seed_everything(seed)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "", "seven"])
def test_an_impossible_course_seed_is_named(monkeypatch, seed):
    monkeypatch.setenv("COURSE_SEED", seed)
    with pytest.raises(ValueError, match=f"COURSE_SEED='{seed}'"):
        seed_everything(0)


# --- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        ({"at_least": 2}, 2, True),
        ({"at_least": 2}, 1.999, False),
        ({"at_most": 2}, 2, True),
        ({"at_most": 2}, 2.001, False),
        ({"between": (1, 2)}, 1, True),
        ({"between": (1, 2)}, 2, True),
        ({"between": (1, 2)}, 0.999, False),
        ({"between": (1, 2)}, 2.001, False),
        ({"between": (2, 2)}, 2, True),
        ({"at_least": 1}, True, True),
        ({"at_least": 1}, False, False),
        ({"at_least": 1}, torch.tensor(True), True),
        ({"at_least": 1.5}, torch.tensor([1.5]), True),
        ({"at_most": torch.tensor(1.5)}, np.float32(1.5), True),
        ({"at_least": 1}, math.nan, False),
        ({"at_most": 1}, math.nan, False),
        ({"between": (1, 2)}, math.nan, False),
        ({"at_least": 1}, math.inf, False),
        ({"at_most": 1}, -math.inf, False),
        ({"at_least": math.nan}, 1, False),
    ],
)
def test_a_claim_holds_or_fails_and_is_written_down(
    bound, value, holds, capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("COURSE_CLAIMS", str(tmp_path / "claims.jsonl"))
    monkeypatch.setenv("COURSE_NOTEBOOK", "02_dqn")
    seed_everything(5)
    if holds:
        claim("mean return", value, **bound)
        assert capsys.readouterr().out.startswith("✓ mean return ")
    else:
        with pytest.raises(AssertionError, match=r"^✗ mean return .*\(measured "):
            claim("mean return", value, **bound)
        assert capsys.readouterr().out == ""
    (line,) = (tmp_path / "claims.jsonl").read_text("utf-8").splitlines()
    row = json.loads(line)
    assert row.keys() == {"notebook", "claim", "relation", "bound", "value", "seed"}
    assert (row["notebook"], row["claim"], row["seed"]) == ("02_dqn", "mean return", 5)
    relations = {"at_least": "≥", "at_most": "≤", "between": "between"}
    assert row["relation"] == relations[next(iter(bound))]
    np.testing.assert_equal(row["value"], float(value))


@pytest.mark.parametrize(
    ("bound", "value", "text"),
    [
        ({"at_least": 475}, 500.0, "✓ return ≥ 475 (measured 500)\n"),
        ({"at_most": 0.05}, 0.0312499, "✓ return ≤ 0.05 (measured 0.03125)\n"),
        ({"between": (-1, 0.5)}, -0.25, "✓ return between -1 and 0.5 (measured -0.25)\n"),
        ({"at_least": 0}, 123456.0, "✓ return ≥ 0 (measured 123456)\n"),
        ({"at_least": 0}, 12345.678, "✓ return ≥ 0 (measured 1.235e+04)\n"),
    ],
)
def test_what_a_claim_prints(bound, value, text, capsys):
    claim("return", value, **bound)
    assert capsys.readouterr().out == text


def test_claims_are_collected_one_a_line(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CLAIMS", str(tmp_path / "claims.jsonl"))
    for value in (1, 2, 3):
        claim("größer", value, at_least=0)
    lines = (tmp_path / "claims.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["value"] for line in lines] == [1, 2, 3]
    assert json.loads(lines[0])["claim"] == "größer"


@pytest.mark.parametrize(
    "bounds", [{}, {"at_least": 1, "at_most": 2}, {"at_most": 2, "between": (1, 2)}]
)
def test_a_claim_wants_exactly_one_bound(bounds):
    with pytest.raises(ValueError, match="exactly one of at_least, at_most and between"):
        claim("x", 1, **bounds)


@pytest.mark.parametrize("between", [(2, 1), (1,), (1, 2, 3), 5, "12", (math.nan, 1)])
def test_bounds_in_the_wrong_form_are_named(between):
    with pytest.raises(ValueError, match="between must be"):
        claim("x", 1, between=between)


@pytest.mark.parametrize("value", [None, "3", torch.ones(2), np.ones(2), [1], 1j])
def test_what_is_not_one_number_is_named(value):
    with pytest.raises(TypeError, match="value must be one number"):
        claim("x", value, at_least=0)
    if value is not None:
        with pytest.raises(TypeError, match="at_most must be one number"):
            claim("x", 1, at_most=value)
        with pytest.raises(TypeError, match="between must be one number"):
            claim("x", 1, between=(0, value))


# --- checkpoints --------------------------------------------------------------------------------

STATE = {"weights": torch.arange(3.0), "step": 7, "names": ["a", "b"], "nested": {1: (True, None)}}


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "new" / "folder" / "run.pt"
    save_checkpoint(path, STATE)
    loaded = load_checkpoint(str(path))
    assert torch.equal(loaded.pop("weights"), STATE["weights"])
    assert loaded == {name: value for name, value in STATE.items() if name != "weights"}
    save_checkpoint(path, {"step": 8})
    assert load_checkpoint(path) == {"step": 8}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_a_save_that_fails_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"step": 1})

    def torn(state, file):
        file.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_and_a_damaged_checkpoint_are_named(tmp_path):
    path = tmp_path / "run.pt"
    with pytest.raises(FileNotFoundError, match=r"run\.pt"):
        load_checkpoint(path)
    save_checkpoint(path, STATE)
    content = path.read_bytes()
    for damaged in (b"", b"nonsense", content[:-100], content[:100]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"run\.pt is not a readable checkpoint"):
            load_checkpoint(path)


class Payload:
    """Would run code when it is unpickled."""

    def __reduce__(self):
        """Ask the unpickler to make a folder."""
        return os.mkdir, ("ran",)


def test_no_code_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Payload()}, "run.pt")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_checkpoint("run.pt")
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


# --- the rest -----------------------------------------------------------------------------------


def test_the_bar_counts_and_hides_when_nobody_watches(monkeypatch, capsys):
    monkeypatch.delenv("COURSE_HEADLESS", raising=False)
    assert not runtime.headless()
    bar = runtime.progress(total=10, label="DQN", start=4)
    assert (bar.n, bar.total, bar.disable) == (4, 10, False)
    bar.update(3)
    assert bar.n == 7
    bar.close()
    assert list(runtime.progress([1, 2], label="x")) == [1, 2]
    capsys.readouterr()
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    assert runtime.headless()
    assert list(runtime.progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    assert not runtime.headless()


def test_the_device_can_compute():
    assert torch.ones(2, device=runtime.pick_device()).sum().item() == 2
