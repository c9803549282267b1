"""JupyterLab as `course.py lab` opens it, in a real browser, and every widget moved by hand there.

Notebook 01 runs from its first cell to its last. The others train for minutes before their widget,
so of these the test runs a part: the cell that finds the course, the widget's own cell as it
stands, and of the cells between whatever defines a name that this one needs. Training calls are not
among that, so the networks there have their first weights: what is tested is the widget, not what
it shows to a reader.
"""

import ast
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

import course
from tests.browsing import started_browser
from tests.small_notebooks import save, small_notebook
from tools.cells import Cell, parse
from tools.grading.answers import needed
from tools.links import exercises_in
from tools.notebooks import NOTEBOOKS, ROOT, read, write

WHOLE = ("01_q_learning",)
NAMELESS = re.compile(r"- (?:slider|spinbutton|combobox|checkbox|button|textbox)(?! \").*")
"""In a picture of the page for screen readers: a control without a name."""
CUT = """() => [...document.querySelectorAll(
    ".jupyter-widgets :is(label, button), .jupyter-widgets button, button.jupyter-widgets"
)].filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != "inline")
.map(e => e.textContent)"""
"""The labels and buttons whose words are wider than they are."""
FOLDER = ROOT / "build" / "browser"
"""Where the notebooks lie while they are open, and afterwards the screenshots of those that failed.
It must be inside the course: the notebooks look for the package above them."""
PATIENCE = 240_000
"""Milliseconds until something must have happened. A free machine needs a tenth of that."""


BY_HAND = {
    "11_super_resolution": """
import torch
from dqngan_lib.applications.pixels.drawing import DrawAndEnlarge
from dqngan_lib.course.data import digits
nothing = lambda seen: torch.zeros(len(seen), *seen.shape[2:], dtype=torch.long)
DrawAndEnlarge({4: nothing, 2: nothing}, digits().test_images[:10]).show()
""",
    "12_inpainting_and_editing": """
from dqngan_lib.applications.art.painting_out import PainterOut
from dqngan_lib.applications.pixels.exemplars import rubber_sheet
from dqngan_lib.applications.pixels.photographs import photograph
PainterOut({"rubber sheet": rubber_sheet}, {"coins": photograph("coins")}).show()
""",
    "13_medical_images": """
from dqngan_lib.applications.medical.slices import split_slices
from dqngan_lib.applications.medical.widgets import LesionPainter
from dqngan_lib.applications.pixels.filters import median
ways = lambda noisy: {"not cleaned": noisy, "median": median(noisy)}
LesionPainter(ways, split_slices()[2].images).show()
""",
    "14_art": """
from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.widgets import PhotoPainter
from dqngan_lib.course.data import photos
mine = PhotoPainter(brush_gains, photos())
mine.show()
""",
}
"""Widgets whose notebooks give them trained networks: here they get what needs no training."""


def widget_cell(path: Path) -> int | None:
    """Return the position, among the code cells, of the last cell that shows a widget."""
    found = None
    for position, cell in enumerate(code_cells(path)):
        for node in ast.parse(cell.source).body:
            call = getattr(node, "value", None)
            shows = isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "show"
            if shows and getattr(call.func.value, "id", "") != "plots":
                found = position
    return found


def code_cells(path: Path) -> list[NotebookNode]:
    """Return the code cells of a notebook."""
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def part_with_widget(path: Path) -> NotebookNode:
    """Return a notebook with the first cell, the widget's cell, and what the latter needs."""
    cells = code_cells(path)
    notebook = read(path)
    if path.stem in BY_HAND:
        sources = cells[0].source, BY_HAND[path.stem].strip()
        notebook.cells = [new_code_cell(source) for source in sources]
        return notebook
    last = widget_cell(path)
    own = parse([Cell(cell.source) for cell in cells[: last + 1]]).statements
    statements = needed(ast.parse(cells[last].source), None, own, ())
    sources: dict[int, list[str]] = {}
    for statement in statements:
        if 0 < statement.cell < last:
            lines = sources.setdefault(statement.cell, [])
            lines.append(ast.get_source_segment(statement.source, statement.node))
    kept = [cells[0].source, *("\n".join(lines) for lines in sources.values())]
    notebook.cells = [new_code_cell(source) for source in [*kept, cells[last].source]]
    return notebook


NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb")) if widget_cell(path) is not None]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Start a browser without a window, or say why there is none."""
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Start JupyterLab by `course.py lab`; return its address with the access token."""
    if Path(sys.prefix).resolve() != course.VENV.resolve():
        pytest.skip("these tests do not run in the environment that course.py makes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path_factory.mktemp("jupyter")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COURSE_")}
    for name in ("CONFIG", "DATA", "RUNTIME"):  # whatever this user has set is left out
        environment[f"JUPYTER_{name}_DIR"] = str(settings / name.lower())
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(settings / "workspaces")
    command = [sys.executable, "course.py", "lab", "--no-browser", f"--port={port}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    log = (settings / "log.txt").open("w+")
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE / 1000
        found = None
        while not found and server.poll() is None and time.monotonic() < until:
            time.sleep(0.5)
            text = Path(log.name).read_text(encoding="utf-8", errors="replace")
            found = re.search(rf"http://127\.0\.0\.1:{port}/lab\S*", text)
        assert found, text
        yield found[0]
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()
        log.close()


@pytest.mark.slow
def test_jupyterlab_opens_quietly_with_the_contents_beside_the_page(address, browser):
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell >> nth=0", state="attached")
        page.wait_for_selector(".jp-TableOfContents-content:visible :text('Recap')")
        page.wait_for_timeout(3000)  # a notice would have come by now
        assert page.locator(".Toastify__toast").count() == 0
        width = page.locator(".jp-Notebook .jp-Cell").first.bounding_box()["width"]
        assert 800 <= width <= 1150
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_widget_moves_in_the_browser(name, address, browser):
    source = NOTEBOOKS / f"{name}.ipynb"
    path = FOLDER / f"{name}.ipynb"
    write(path, read(source) if name in WHOLE else part_with_widget(source))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    try:
        open_and_run(page, address, path)
        every_control_has_a_whole_name(page)
        move_something(page)
    except BaseException:
        page.screenshot(path=FOLDER / f"{name}.png")
        raise
    else:
        (FOLDER / f"{name}.png").unlink(missing_ok=True)
    finally:
        page.close()
    path.unlink()


@pytest.mark.slow
def test_a_finished_bar_leaves_nothing_and_a_stopped_one_a_text(address, browser):
    """Bars within bars, looked at while they run, and after saving and reloading."""
    nested = """from dqngan_lib.course.runtime import progress
for _ in progress(range(2), label="outer"):
    for _ in progress(range(30), label="inner"):
        __import__("time").sleep(0.1)"""
    stopped = """bar = progress(total=10, label="early")
bar.update(3)
bar.close()"""
    path = save(FOLDER, small_notebook(nested, stopped), "bars.ipynb")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    try:
        run_all(page, address, path)
        page.wait_for_selector(".jp-OutputArea .widget-hbox :text('outer')")
        page.wait_for_selector(":text('early: stopped at 3 of 10')")
        assert page.locator(".jp-OutputArea .widget-hbox").count() == 0
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        page.reload()
        page.wait_for_selector(":text('early: stopped at 3 of 10')")
        page.wait_for_timeout(2000)
        assert "Error displaying widget" not in page.content()
    finally:
        page.close()
    path.unlink()


@pytest.mark.slow
def test_a_link_leads_to_an_exercise_far_below(address, browser):
    """JupyterLab compares the heading with the address as the browser writes it."""
    effort = "Difficulty ●○○○○ · importance ●○○○○ · 5 minutes"
    heading = f"### Exercise 08.2: What is a policy worth?\n\n{effort}"
    notebook = small_notebook("1")
    notebook.cells.append(new_markdown_cell(heading))
    link = new_markdown_cell(f"[down]({exercises_in(notebook)['08.2']})")
    between = [new_markdown_cell("\n\n".join(f"Line {k}." for k in range(60)))]
    notebook.cells = [link, *between, *notebook.cells, *between]
    path = save(FOLDER, notebook, "links.ipynb")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    try:
        open_page(page, address, path)
        page.wait_for_timeout(2000)  # a link gets its meaning when all texts are drawn
        page.click(".jp-MarkdownOutput a:text('down')")
        target = page.locator("h3:has-text('Exercise 08.2')")
        page.wait_for_timeout(2000)
        assert 0 <= target.bounding_box()["y"] <= 1000
    finally:
        page.close()
    path.unlink()


@pytest.mark.slow
def test_a_photograph_of_12_mb_arrives_is_painted_and_saved(address, browser, tmp_path):
    """More than Jupyter's own limit of 10 MB; the photograph is as large as a phone makes it."""
    photo = tmp_path / "phone.jpg"
    noise = torch.randint(256, (756, 1008, 3), generator=torch.Generator().manual_seed(0))
    picture = Image.fromarray(noise.byte().numpy()).resize((4032, 3024))
    quality = next(q for q in range(90, 101) if _saved(picture, photo, q) > 12_000_000)
    assert photo.stat().st_size < 64_000_000, quality
    path = FOLDER / "14_upload.ipynb"
    write(path, part_with_widget(NOTEBOOKS / "14_art.ipynb"))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    try:
        open_and_run(page, address, path)
        with page.expect_file_chooser() as chooser:
            page.locator("button.jupyter-button:has-text('Upload')").click()
        chooser.value.set_files(photo)
        page.wait_for_selector(".jupyter-widgets :text('phone.jpg')")
        page.locator("button.jupyter-button.mod-primary").click()
        page.wait_for_selector(".jupyter-widgets :text('2000 strokes')")
        page.locator("button.jupyter-button:has-text('save the picture')").click()
        with page.expect_download() as download:
            page.locator(".jupyter-widgets a[download]").click()
        with Image.open(download.value.path()) as saved:
            assert saved.width == 2_048
    except BaseException:
        page.screenshot(path=FOLDER / "14_upload.png")
        raise
    finally:
        page.close()
    path.unlink()


def _saved(picture: Image.Image, path: Path, quality: int) -> int:
    """Save a picture as a JPEG and return the size of the file in bytes."""
    picture.save(path, quality=quality)
    return path.stat().st_size


def open_and_run(page, address: str, path: Path) -> None:
    """Open a notebook, run all its cells, save it, and look into the file for errors."""
    before = [cell.execution_count for cell in code_cells(path)]
    run_all(page, address, path)
    until = time.monotonic() + PATIENCE / 1000
    while True:
        page.wait_for_timeout(1000)
        idle = "Idle" in page.inner_text("#jp-main-statusbar")
        if idle:
            page.keyboard.press("Control+s")
            page.wait_for_timeout(500)
            cells = code_cells(path)
            errors = [o for cell in cells for o in cell.outputs if o.output_type == "error"]
            allowed = [c for c in cells if "raises-exception" in c.metadata.get("tags", [])]
            assert len(errors) == len(allowed), errors
            if before[-1] is None and cells[-1].execution_count == len(cells):
                return
            if before[-1] is not None and page.locator(".jupyter-widgets").count():
                return
        assert time.monotonic() < until, "the cells did not come to their end"


def run_all(page, address: str, path: Path) -> None:
    """Open a notebook and start all its cells."""
    open_page(page, address, path)
    page.click("li.lm-MenuBar-item:has-text('Run')")
    page.click("li.lm-Menu-item:has-text('Run All Cells') >> nth=0")


def open_page(page, address: str, path: Path) -> None:
    """Open a notebook, and wait until its kernel is there."""
    base, token = re.fullmatch(r"(http://[^/]+)/lab\S*token=(\w+)", address).groups()
    place = path.relative_to(ROOT).as_posix()
    page.goto(f"{base}/lab/tree/{place}?token={token}&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("#jp-main-statusbar :text('Idle')")


def every_control_has_a_whole_name(page) -> None:
    """Check that a screen reader can say what each control is, and that no label is cut off."""
    page.wait_for_selector(".jupyter-widgets img", state="attached")
    widgets = page.locator(".jp-OutputArea-output > .jupyter-widgets")
    widgets.first.scroll_into_view_if_needed()  # what is far away is not drawn
    page.wait_for_timeout(1000)
    seen = "\n".join(widgets.nth(k).aria_snapshot() for k in range(widgets.count()))
    assert re.search(r'- (spinbutton|combobox|button) "', seen), seen
    assert NAMELESS.findall(seen) == []
    assert "- status: " in seen, "a changed picture is not announced"
    assert page.evaluate(CUT) == []


def move_something(page) -> None:
    """Move the first slider or number, or press a button, until the widget's picture is another.

    A number is moved by an arrow key. Where a widget has a main button ("paint"), it is pressed
    after that.

    JupyterLab draws only the cells near the window, and moves them about while it does; so a drag
    may miss, and is tried again, to the other end: a network that has learnt nothing draws alike at
    all temperatures but 0.
    """
    shown = "() => [...document.querySelectorAll('.jupyter-widgets img')].map(i => i.src).join()"
    before = page.evaluate(shown)
    assert before, "the widget shows no picture"
    handle = page.locator(".jupyter-widgets .noUi-handle").first
    number = page.locator(".jupyter-widgets input[type=number]").first
    button = page.locator("button.jupyter-button").first
    main = page.locator("button.jupyter-button.mod-primary").first
    for attempt in range(10):
        target = next((found for found in (handle, number, main) if found.count()), button)
        target.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        if target is handle:
            box = handle.bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + (-400 if attempt % 2 else 40), y, steps=5)
            page.mouse.up()
        elif target is number:
            number.press("ArrowDown" if attempt % 2 else "ArrowUp")
        elif target is button:
            button.click()
        if main.count():
            main.click()
        for _ in range(10):
            page.wait_for_timeout(500)
            if page.evaluate(shown) not in ("", before):
                return
    raise AssertionError("the widget's picture stays the same")
