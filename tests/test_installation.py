"""What notebook 00 says about an installation is true."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from dqngan_lib.course import installation
from dqngan_lib.course.data import CHECKSUMS


def test_ranges_agree_with_pyproject():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    ranges = dict(line.split(">=") for line in project["dependencies"])
    assert {name: ranges[name] for name in installation.OLDEST} == installation.OLDEST
    assert project["requires-python"] == ">=" + ".".join(map(str, installation.OLDEST_PYTHON))


@pytest.mark.parametrize(
    ("version", "old"),
    [("2.10.0a0", False), ("2.15.0+cpu", False), ("2.10", False), ("2.9.1", True), ("1.99", True)],
)
def test_a_version_is_old_by_its_numbers(version, old, monkeypatch):
    real = importlib.metadata.version
    fake = {"torch": version}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: fake.get(name) or real(name))
    assert any("torch" in p for p in installation.installation_problems()) == old


def test_sound_installation(capsys):
    assert installation.installation_problems() == []
    installation.check_installation()
    assert capsys.readouterr().out.count("✓") == 2


def test_old_and_missing_packages(monkeypatch, capsys):
    def version(name):
        if name == "tqdm":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.9.1" if name == "torch" else "99.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    problems = installation.installation_problems()
    assert problems == [
        "torch 2.9.1 is too old; the course needs 2.10 or newer",
        "tqdm is not installed; the course needs 4.66 or newer",
    ]
    installation.check_installation()
    assert capsys.readouterr().out.count("✗") == 2


def test_old_python(monkeypatch):
    monkeypatch.setattr(installation.sys, "version_info", (3, 9, 1))
    assert "Python" in installation.installation_problems()[0]


def test_missing_data(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    problems = installation.installation_problems()
    assert len(problems) == len(CHECKSUMS)
    assert all("is missing" in problem for problem in problems)


def test_describe_machine():
    machine = installation.describe_machine()
    assert machine["torch"] == importlib.metadata.version("torch")
    assert int(machine["CPU threads torch uses"]) >= 1


def test_machine_names_cores_memory_and_gpu(monkeypatch):
    monkeypatch.setattr(installation, "cores", lambda: 16)
    monkeypatch.setattr(installation, "memory_gb", lambda: 128)
    monkeypatch.setattr(installation.torch.cuda, "is_available", lambda: False)
    assert installation.machine() == "16 cores, 128 GB"
    monkeypatch.setattr(installation.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(installation.torch.cuda, "get_device_name", lambda: "Some GPU")
    assert installation.machine() == "16 cores, 128 GB, Some GPU"
    monkeypatch.setattr(installation, "memory_gb", lambda: None)
    assert installation.machine() == "16 cores, Some GPU"
