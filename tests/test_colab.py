"""Notebooks on Colab: how the first cell finds the course, bundles, badges, and lost sessions.

The real Colab is not reached; `tests/colab_machine.py` says what stands for it and what differs.
"""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from dqngan_lib.course.runtime import checkpoint_path
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import PointDiscriminator, PointGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from tests.colab_machine import VERSIONS, make_machine, run
from tools import colab
from tools.colab import MAX_BYTES, PAINTERS, bundle, files_for, first_cell, main, pack
from tools.links import without_links
from tools.lint import lint
from tools.notebooks import (
    FOLDED,
    FOLDED_TAG,
    NOTEBOOKS,
    ROOT,
    course_notebooks,
    number_of,
    read,
    write,
)

PATHS = course_notebooks()
TELL = "\nimport dqngan_lib\nprint(Path(dqngan_lib.__file__).parents[1], folder)"


def code_cells(path):
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


FIRST = first_cell()
FETCH = (ROOT / "fetch_course.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Colab's Python, so to speak."""
    return make_machine(tmp_path_factory.mktemp("colab"))


@pytest.fixture(scope="module")
def plain_python(tmp_path_factory):
    """The same without `google.colab`."""
    return make_machine(tmp_path_factory.mktemp("plain"), colab=False)


@pytest.fixture
def content(tmp_path):
    """Colab's working folder with nothing but an uploaded notebook."""
    folder = tmp_path / "content"
    folder.mkdir()
    shutil.copy(PATHS[0], folder)
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The course as a zip file such as GitHub makes: everything in one folder."""
    path = tmp_path_factory.mktemp("download") / "dqn-gan-main.zip"
    with zipfile.ZipFile(path, "w") as file:
        for part in files_for(PATHS[0]):
            file.write(part, Path("dqn-gan-main") / part.relative_to(ROOT))
    return path


# --- the first cell ---


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_all_notebooks_begin_with_the_same_cell(path):
    cell = next(cell for cell in read(path).cells if cell.cell_type == "code")
    assert cell.source == FIRST
    assert cell.metadata == {**FOLDED, "tags": [FOLDED_TAG]}


def test_neither_the_first_cell_nor_what_it_runs_installs_anything():
    for word in ("pip", "conda", "%", "!pip", "!apt", "apt-get"):
        assert word not in FIRST + FETCH


def test_this_folder_or_one_above_wins(python, content, tmp_path):
    (tmp_path / "dqngan_lib").symlink_to(ROOT / "dqngan_lib")
    deep = content / "notebooks"
    deep.mkdir()
    for folder in (tmp_path, content, deep):
        result = run(python, FIRST + "\nprint(folder)", folder, PYTHONPATH=str(ROOT))
        assert result.stdout.split() == [str(tmp_path)], result.stderr


def test_an_importable_package_will_do(python, content):
    result = run(python, FIRST + TELL, content, PYTHONPATH=str(ROOT))
    assert result.stdout.split() == [str(ROOT)] * 2, result.stderr


def test_a_stray_folder_of_that_name_is_not_the_course(python, content, tmp_path):
    for folder in (content, tmp_path):
        (folder / "dqngan_lib").mkdir()
    assert "dqngan_lib is not here" in sentence(run(python, FIRST, content))
    result = run(python, FIRST + TELL, content, PYTHONPATH=str(ROOT))
    assert result.stdout.split() == [str(ROOT)] * 2, result.stderr


def test_where_there_is_no_course_a_sentence_says_what_to_do(python, plain_python, content):
    for machine in (python, plain_python):
        result = run(machine, FIRST, content)
        assert "course.py colab NN" in sentence(result) and "docs/colab.md" in result.stderr
        assert result.stdout == ""


def test_jupyter_shows_that_sentence_and_goes_no_further(python, content):
    notebook = new_notebook(cells=[new_code_cell(FIRST), new_code_cell("print('on')")])
    with pytest.raises(CellExecutionError, match="SystemExit"):
        execute(notebook, python, content)
    (shown,) = [o for o in notebook.cells[0].outputs if o.output_type == "error"]
    assert shown.evalue.startswith("The package dqngan_lib is not here")
    assert len("\n".join(shown.traceback).splitlines()) <= 4, shown.traceback
    assert notebook.cells[1].outputs == []


# --- fetching the course ---


def sentence(result):
    """Return the one line in which something ended that went wrong."""
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    return line


def fetch(python, folder, **variables):
    """Run the fetching, as pasted into a cell, and the first cell after it."""
    return run(python, f"{FETCH}\n\n{FIRST}{TELL}", folder, **variables)


@pytest.fixture
def repository(archive, tmp_path):
    """The course in a git repository."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    shutil.unpack_archive(archive, tmp_path)
    return commit(tmp_path / "dqn-gan-main")


def commit(folder):
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The course"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.mark.parametrize("leftover", [False, True])
def test_an_address_is_cloned_once(python, content, repository, leftover):
    home = content / "dqngan-course"
    if leftover:
        home.mkdir()
    for _ in range(2):
        result = fetch(python, content, COURSE_URL=repository.as_uri())
        assert result.stdout.split()[-2:] == [str(home)] * 2, result.stderr
        shutil.rmtree(repository, ignore_errors=True)  # the second time it is not needed
    assert {file.name for file in content.iterdir()} == {home.name, PATHS[0].name}


def test_a_wrong_address_is_named_and_the_right_one_works(python, content, repository, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("hello")
    wrong = {tmp_path / "nothing": "nothing", commit(tmp_path / "letters"): "not hold the course"}
    for folder, words in wrong.items():
        assert words in sentence(fetch(python, content, COURSE_URL=folder.as_uri()))
        assert [file.name for file in content.iterdir()] == [PATHS[0].name]
    assert fetch(python, content, COURSE_URL=repository.as_uri()).returncode == 0


def test_a_machine_without_git_is_named(python, content):
    result = fetch(python, content, COURSE_URL="https://example.org/x.git", PATH="")
    assert "git is not installed" in sentence(result)


def test_an_upload_is_unpacked_once(python, content, archive):
    result = fetch(python, content, CHOSEN_FILE=str(archive))
    folder = content / "dqngan-course" / "dqn-gan-main"
    assert result.stdout.splitlines() == [
        "upload was asked for",
        f"The course is in {folder}",
        f"{folder} {folder}",
    ]
    assert "upload was asked for" not in fetch(python, content).stdout


@pytest.fixture(scope="module")
def bad_files(archive, tmp_path_factory):
    """What readers have chosen in place of the course's zip file, by what they are told."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "cut.zip").write_bytes(archive.read_bytes()[:100_000])
    damaged = bytearray(archive.read_bytes())
    damaged[50_000:60_000] = bytes(10_000)
    (folder / "damaged.zip").write_bytes(damaged)
    with zipfile.ZipFile(folder / "photos.zip", "w") as file:
        file.writestr("photo.txt", "hello")
        file.writestr("dqngan_lib/photo.txt", "hello")
    with zipfile.ZipFile(folder / "shadow.zip", "w") as file:
        file.writestr("__MACOSX/dqn-gan-main/dqngan_lib/__init__.py", "")
    return {
        None: "No file was chosen",
        PATHS[0]: "00_start_here.ipynb is not a zip file",
        folder / "cut.zip": "cut.zip is not a zip file, or not a whole one",
        folder / "damaged.zip": "damaged.zip is not a zip file, or not a whole one",
        folder / "photos.zip": "does not hold the course",
        folder / "shadow.zip": "does not hold the course",
    }


def test_a_wrong_upload_is_named_and_the_next_one_works(python, content, archive, bad_files):
    for file, words in bad_files.items():
        chosen = {"CHOSEN_FILE": str(file)} if file else {}
        assert words in sentence(fetch(python, content, **chosen))
        assert not list(content.glob("*dqngan-course*"))
    assert fetch(python, content, CHOSEN_FILE=str(archive)).returncode == 0


def test_a_file_packed_on_a_mac_is_unpacked(python, content, archive, tmp_path):
    """The Finder puts a second tree beside the first, with the same folders and no code."""
    with zipfile.ZipFile(archive) as file, zipfile.ZipFile(tmp_path / "mac.zip", "w") as mac:
        for name in file.namelist():
            shadow = Path("__MACOSX") / Path(name).parent / f"._{Path(name).name}"
            mac.writestr(shadow.as_posix(), b"\x00\x05\x16\x07")
            mac.writestr(name, file.read(name))
    result = fetch(python, content, CHOSEN_FILE=str(tmp_path / "mac.zip"))
    folder = content / "dqngan-course" / "dqn-gan-main"
    assert result.stdout.splitlines()[-1] == f"{folder} {folder}", result.stderr


def test_another_folder_of_that_name_is_left_alone(python, content, archive):
    mine = content / "dqngan-course" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("hello")
    result = fetch(python, content, CHOSEN_FILE=str(archive))
    assert "something else than the course" in sentence(result)
    assert mine.read_text() == "hello"


def test_a_folder_that_cannot_be_written_is_named(python, content):
    code = f"import tempfile\ntempfile.mkdtemp = lambda *a, **k: open('/nowhere/x')\n{FETCH}"
    assert "cannot be stored" in sentence(run(python, code, content, COURSE_URL="x"))


def test_elsewhere_nobody_is_asked_for_an_upload(plain_python, content):
    result = fetch(plain_python, content)
    assert "Set COURSE_URL" in sentence(result)
    assert result.stdout == ""


# --- what is installed there ---


def test_the_machine_has_colabs_versions(python, content):
    code = f"""
        import importlib.metadata, sys
        print("google.colab" in sys.modules)
        for name in {list(VERSIONS)}: print(importlib.metadata.version(name))
    """
    first, *versions = run(python, code, content).stdout.split()
    assert first == "True"
    for version, wanted in zip(versions, VERSIONS.values(), strict=True):
        assert version.startswith(wanted + ".")


@pytest.mark.slow
def test_widgets_work_with_colabs_versions(python):
    names = ("widgets", "gan_widgets", "latent", "stroke_widgets")
    tests = [f"tests/test_{name}.py" for name in names]
    code = f"import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *{tests}]))"
    result = run(python, code, ROOT)
    assert result.returncode == 0, result.stdout[-2000:]


# --- bundles ---


def execute(notebook, python, folder, **variables):
    """Run a notebook with the kernel of that machine, in a folder."""
    kernels = folder.parent / "kernels" / "colab"
    kernels.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Colab", "language": "python"})
    )
    client = NotebookClient(
        notebook, kernel_name="colab", timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.create_kernel_manager()
    client.km.kernel_spec_manager.kernel_dirs = [str(kernels.parent)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COURSE_")}
    return client.execute(env=environment | variables)


@pytest.mark.slow
def test_a_light_bundle_runs_to_its_end_where_there_is_nothing_else(python, tmp_path):
    content = tmp_path / "content"
    content.mkdir()
    assert main(["00", "--out", str(content)]) == 0
    notebook = read(content / "00_start_here.ipynb")
    more = "import dqngan_lib, IPython; print(dqngan_lib.__file__, IPython.__version__)"
    notebook.cells.append(new_code_cell(more))
    execute(notebook, python, content, COURSE_HEADLESS="1")
    place, version = notebook.cells[-1].outputs[0].text.split()
    assert Path(place) == content / "dqngan-course" / "dqngan_lib" / "__init__.py"
    assert version.startswith(VERSIONS["ipython"])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_bundle_differs_in_its_first_cell_and_note_alone(path, tmp_path):
    before, after = read(path), bundle(path)
    texts = [cell for cell in after.cells if cell.cell_type == "markdown"]
    pictures = {name for cell in texts for name in cell.pop("attachments", {})}
    for cell in before.cells[1:]:
        for name in pictures:
            for folder in ("gallery", "../docs"):
                cell.source = cell.source.replace(f"]({folder}/{name})", f"](attachment:{name})")
        cell.source = without_links(cell.source.replace("](../", "](dqngan-course/"))
    cells = list(zip(before.cells, after.cells, strict=True))
    assert [old for old, new in cells if old != new] == [
        before.cells[0],
        next(cell for cell in before.cells if cell.cell_type == "code"),
    ]
    write(tmp_path / path.name, bundle(path))
    assert (tmp_path / path.name).stat().st_size < MAX_BYTES
    assert after.cells[0].source.splitlines()[0] == before.cells[0].source.splitlines()[0]
    packed = next(cell.source for cell in after.cells if cell.cell_type == "code")
    assert "PACKED" in packed
    assert "pip" not in packed.replace(packed.split('"""')[1], "")


def test_a_bundle_has_all_that_the_notebook_reads(tmp_path):
    for path in PATHS:
        names = {file.relative_to(ROOT).as_posix() for file in files_for(path)}
        assert {"dqngan_lib/weights/digit_scorer.pt", "data/mnist10k.npz", "LICENSE"} <= names
        tables = [
            p.name for p in (ROOT / "benchmarks" / "results").glob(f"{number_of(path)}_*.csv")
        ]
        assert {f"benchmarks/results/{table}" for table in tables} <= names
        read_there = " ".join(code_cells(path)[1:])
        assert [p for p in ("notebooks", "tests", "tools") if f'folder / "{p}"' in read_there] == []
        painters = {name for name in PAINTERS if f"dqngan_lib/weights/{name}" in names}
        assert painters <= {name for name, number in PAINTERS.items() if number == number_of(path)}
        assert "trained import" not in read_there or painters, "it has nothing to load"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_to_the_package_lead_somewhere_in_a_bundle(path):
    text = "\n".join(cell.source for cell in bundle(path).cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if ":" not in link]
    unpacked = {f"dqngan-course/{file.relative_to(ROOT).as_posix()}" for file in files_for(path)}
    assert links and set(links) <= unpacked


def test_pictures_of_the_text_are_inside_a_bundle():
    (primer,) = [path for path in PATHS if number_of(path) == "A"]
    cell = bundle(primer).cells[0]
    (name,) = re.findall(r"\]\(attachment:([^)]+)\)", cell.source)
    inside = base64.b64decode(cell.attachments[name]["image/png"])
    assert inside == (NOTEBOOKS / "gallery" / name).read_bytes()


def test_pictures_that_lead_to_notebooks_only_show_in_a_bundle():
    """The other notebooks are not there; the pictures and films are, and nothing else is lost."""
    first = PATHS[0]
    cells = [cell for cell in bundle(first).cells if cell.cell_type == "markdown"]
    text = "\n".join(cell.source for cell in cells)
    shown = [n.name for n in NOTEBOOKS.glob("gallery/*.png") if n.stem[:2] not in ("10", "14")]
    attached = {name for cell in cells for name in cell.get("attachments", {})}
    assert attached == {*shown, "10_painting_agent.gif", "14_art.webp"}
    assert set(re.findall(r"\]\(attachment:([^)]+)\)", text)) == attached
    assert "ipynb" not in text
    assert all(
        kind == f"image/{Path(name).suffix[1:]}"
        for cell in cells
        for name, content in cell.get("attachments", {}).items()
        for kind in content
    )


def test_a_bundle_unpacks_what_was_packed():
    source = next(c.source for c in bundle(PATHS[0]).cells if c.cell_type == "code")
    packed = base64.b64decode(source.split('"""')[1])
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.read("data/photos.npz") == (ROOT / "data" / "photos.npz").read_bytes()


def test_the_same_course_packs_to_the_same_bytes():
    files = [ROOT / "LICENSE", ROOT / "dqngan_lib" / "__init__.py"]
    assert pack(files) == pack(files)
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert archive.read("LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_a_notebook_that_does_not_look_for_the_course_is_named(tmp_path, capsys):
    path = tmp_path / "x.ipynb"
    write(path, new_notebook(cells=[new_code_cell("print(1)")]))
    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "the first code cell of x.ipynb does not find dqngan_lib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "name notebooks, such as 05, or all"),
        (["--badges", "ana"], "--badges takes OWNER/REPO"),
        (["--badges", "a/b", "--no-badges"], "not allowed with"),
    ],
)
def test_bad_input_is_named(options, words, capsys):
    with pytest.raises(SystemExit):
        main(options)
    assert words in capsys.readouterr().err


def test_all_means_all(tmp_path, monkeypatch, capsys):
    small = [NOTEBOOKS / PATHS[0].name]
    monkeypatch.setattr(colab, "find", lambda names: small if names == [] else [])
    assert main(["all", "--from", str(tmp_path), "--out", "b"]) == 0
    assert capsys.readouterr().out.startswith(os.path.join("b", PATHS[0].name))  # noqa: PTH118


# --- badges ---


def test_badges_come_and_go_without_a_trace(tmp_path, capsys):
    path = Path(shutil.copy(PATHS[0], tmp_path))
    shutil.copytree(NOTEBOOKS / "gallery", tmp_path / "gallery")
    before, alone = path.read_bytes(), lint(path)  # away from its folder some links lead nowhere
    assert main([str(path), "--badges", "ana/dqn-gan", "--branch", "autumn"]) == 0
    first = next(cell.source for cell in read(path).cells if cell.cell_type == "code")
    title = read(path).cells[0].source
    address = f"colab.research.google.com/github/ana/dqn-gan/blob/autumn/notebooks/{path.name}"
    assert title.splitlines()[2].endswith(f"({'https://' + address})")
    assert first == first_cell("ana/dqn-gan", "autumn")
    assert lint(path) == alone
    assert main([str(path), "--badges", "bo/course"]) == 0
    assert read(path).cells[0].source.count("Open in Colab") == 1
    assert "ana" not in "".join(cell.source for cell in read(path).cells)
    assert main([str(path), "--no-badges"]) == 0
    assert path.read_bytes() == before


def test_a_lonely_notebook_with_a_badge_fetches_the_course(python, content, repository):
    shutil.copy(ROOT / "fetch_course.py", repository)
    cell = first_cell("ana/dqn-gan", "autumn") + TELL
    for address, place in (
        ("https://github.com/ana/dqn-gan.git", repository.as_uri()),
        ("https://raw.githubusercontent.com/ana/dqn-gan/autumn", repository.as_uri()),
    ):
        assert cell.count(address) == 1
        cell = cell.replace(address, place)
    for _ in range(2):
        result = run(python, cell, content)
        home = str(content / "dqngan-course")
        assert result.stdout.split()[-2:] == [home, home], result.stderr
    shutil.rmtree(repository)
    shutil.rmtree(content / "dqngan-course")
    assert "cannot be fetched from" in sentence(run(python, cell, content))


def test_a_notebook_with_a_badge_fetches_nothing_where_the_course_is(python, content):
    result = run(python, first_cell("ana/dqn-gan") + TELL, content, PYTHONPATH=str(ROOT))
    assert result.stdout.split() == [str(ROOT)] * 2, result.stderr


# --- lost sessions ---

SESSION = """
import os

from tests.test_colab import train_a_little
train_a_little(lambda gan: os._exit(9) if gan.discriminator_updates >= 30 else 0.0)
"""


def train_a_little(evaluate):
    """Train a small pair on points, as a cell of a notebook does; return its weights' sum."""
    torch.manual_seed(0)
    gan = GAN(PointGenerator(2, 16), PointDiscriminator(16), GANSettings(), 0)
    settings = GANTrainSettings(updates=40, evaluate_every=10)
    kept = checkpoint_path("04_small")
    points = torch.randn(64, 2)
    history = train_gan(gan, points, evaluate=evaluate, settings=settings, checkpoint=kept)
    return sum(weight.double().sum().item() for weight in gan.generator.parameters()), history


@pytest.mark.slow
def test_a_lost_session_goes_on_where_it_was(tmp_path, monkeypatch):
    drive = tmp_path / "drive" / "MyDrive" / "dqngan"
    monkeypatch.setenv("COURSE_CHECKPOINTS", str(drive))
    lost = subprocess.run([sys.executable, "-c", SESSION], cwd=ROOT, capture_output=True)
    assert lost.returncode == 9, lost.stderr.decode()
    assert (drive / "04_small.pt").is_file()
    seen = []
    with torch.random.fork_rng():
        again = train_a_little(lambda gan: seen.append(gan.discriminator_updates) or 0.0)
        monkeypatch.delenv("COURSE_CHECKPOINTS")
        whole = train_a_little(lambda gan: 0.0)
    assert seen == [30, 40]  # the first 20 rounds were kept
    assert again[0] == whole[0]
    assert again[1].update == whole[1].update


def test_without_a_folder_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_CHECKPOINTS", raising=False)
    assert checkpoint_path("04_ring") is None
    monkeypatch.setenv("COURSE_CHECKPOINTS", str(tmp_path))
    assert checkpoint_path("04_ring") == tmp_path / "04_ring.pt"
