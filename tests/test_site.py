"""The web edition: what Sphinx is given, and what a reader meets in a real browser.

The slow part makes the edition once and looks at it in Chromium, with axe-core as the referee of
accessibility. Without npm, a browser or the network for either, those tests are skipped and say so.
"""

import base64
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_output
from PIL import Image

import course
from dqngan_lib.exercises import find
from tests.browsing import served, started_browser
from tests.colab_machine import make_machine
from tests.test_browser import PATIENCE
from tests.test_colab import execute
from tools import players
from tools.notebooks import FOLDED_TAG, NOTEBOOKS, ROOT, course_notebooks, fold, read
from tools.site import command, environment, front, pages, pdf

NOTEBOOK = NOTEBOOKS / "01_q_learning.ipynb"


# --- what Sphinx is given ---


def test_links_lead_to_pages_of_the_web_and_code_is_left_alone():
    linked = set()
    links = {
        "[`agent`](../dqngan_lib/dqn/agent.py#L3)": "[`agent`](../dqngan_lib/dqn/agent.md)",
        "[all](../README.md#the-map)": "[all](../index.md#the-map)",
        "[a](https://x.org/a.py)": "[a](https://x.org/a.py)",
        "`[b](c.py)`": "`[b](c.py)`",
        "[05](05_image_gan.ipynb)": "[05](05_image_gan.ipynb)",
        "[e](#Exercise-01.2:-One-sweep)": "[e](#exercise-012-one-sweep)",
        "[g](../docs/glossary.md#agent)": "[g](../docs/glossary.md#agent)",
        "[t](../benchmarks/results/claims.csv)": "[t](../benchmarks/results/claims.csv)",
        "\n```\n[d](../course.py)\n```\n": "\n```\n[d](../course.py)\n```\n",
    }
    web = pages.to_web(" ".join(links), NOTEBOOK, linked)
    assert web == " ".join(links.values())
    names = {path.relative_to(ROOT).as_posix() for path in linked}
    assert names == {"dqngan_lib/dqn/agent.py", "benchmarks/results/claims.csv"}


def picture(kind="png"):
    file = io.BytesIO()
    Image.new("RGB", (70, 30)).save(file, kind)
    return file.getvalue()


def encoded(kind="png"):
    return base64.b64encode(picture(kind)).decode()


def display(**data):
    return new_output("display_data", {f"{k.replace('_', '/')}": v for k, v in data.items()})


def test_a_picture_gets_its_caption_as_its_description(tmp_path):
    film = f'<img alt="A &lt;film&gt;." width="64" src="data:image/gif;base64,{encoded("gif")}">'
    outputs = [
        new_output("stream", name="stdout", text="before"),
        display(image_png=encoded()),
        display(text_plain='Figure: A "line".', text_markdown='*Figure: A "line".*'),
        display(text_html=film),
    ]
    before, *shown = pages.shown(outputs, pages.Pictures(tmp_path / "01"))
    assert before.text == "before"
    line, film = (one.data["text/markdown"].splitlines() for one in shown)
    assert line[:3] == ["```{figure} figures/01/01.png", r':alt: "A \"line\"."', ":width: 70px"]
    assert line[4] == 'Figure: A "line".'
    assert film[:3] == ["```{figure} figures/01/02.gif", ':alt: "A <film>."', ":width: 64px"]
    assert (tmp_path / "01" / "01.png").read_bytes() == picture()


def test_a_picture_without_a_caption_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no caption"):
        pages.shown([display(image_png=encoded())], pages.Pictures(tmp_path / "01"))


def test_the_words_on_a_fold_say_what_the_cell_does(tmp_path):
    notebook = pages.notebook_page(NOTEBOOK, tmp_path, set())
    folded = [cell for cell in notebook.cells if FOLDED_TAG in cell.metadata.get("tags", [])]
    assert folded
    for cell in folded:
        title = cell.source.splitlines()[0].removeprefix("# @title ")
        assert cell.metadata["mystnb"]["code_prompt_show"] == f"Code: {title}"
    cell = new_code_cell("# @title Not folded")
    pages._name_fold(cell)
    assert "mystnb" not in cell.metadata
    fold(cell)
    pages._name_fold(cell)
    assert cell.metadata["mystnb"]["code_prompt_show"] == "Code: Not folded"


def test_hints_and_solutions_stand_folded_under_their_exercise(tmp_path):
    notebook = pages.notebook_page(NOTEBOOK, tmp_path, set())
    position = [cell.source.startswith('check("01.2"') for cell in notebook.cells].index(True)
    words = notebook.cells[position + 1].source
    exercise = find("01.2")
    summaries = re.findall("<details[^>]*><summary>(.+)</summary>", words)
    number = len(exercise.hints)
    assert summaries == [*(f"Hint {k} of {number}" for k in range(1, number + 1)), "Solution"]
    assert words.count("</details>") == len(summaries)
    assert html.escape(exercise.hints[-1].splitlines()[-1]) in words
    assert f"def {exercise.solution.__name__}(" in words
    for part in re.findall("<p>.*?</p>", words, re.DOTALL):
        assert "\n\n" not in part, "it would end what Markdown takes for HTML"


def test_the_front_page_has_what_the_readme_says_and_leads_to_every_page():
    text = front.page(pdf=False)
    assert "<!--" not in text
    assert "write a DQN from its equations" in text
    for path in course_notebooks():
        assert f"(notebooks/{path.name})" in text, "not in the map"
        assert f"\nnotebooks/{path.stem}\n" in text, "not in the contents"
    for path in pages.pages():
        assert f"\n{path.relative_to(ROOT).with_suffix('').as_posix()}\n" in text
    assert re.findall(r'href="(play/\S+)"', text) == ["play/digit.html", "play/photo.html"]
    assert "as a PDF" not in text
    assert "as a PDF" in front.page(pdf=True)


def test_what_the_web_edition_needs_is_pinned():
    for line in environment.REQUIREMENTS.read_text("utf-8").splitlines():
        assert re.match(r"( +)?#|\S+==\d\S*( ;.*)?$", line), line
    asked = json.loads((players.WEB / "package.json").read_text())["dependencies"]
    locked = json.loads((players.WEB / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert all("integrity" in one for name, one in locked.items() if name)


def test_a_wrong_repository_is_named(capsys):
    with pytest.raises(SystemExit):
        command.main(["--repository", "https://github.com/ana/dqn-gan"])
    assert "OWNER/REPO" in capsys.readouterr().err


def test_a_pdf_has_no_dead_links():
    page = '<a id="b" href="#a">1</a> <a href="#b">2</a> <a href="https://x.org#a">3</a>'
    kept = '<a id="b">1</a> <a href="#b">2</a> <a href="https://x.org#a">3</a>'
    assert pdf.without_dead_links(page) == kept


# --- what GitHub, Codespaces and Binder are given ---


def test_the_workflow_and_the_forms_can_be_read_and_run_what_is_there():
    folder = ROOT / ".github"
    workflow = yaml.safe_load((folder / "workflows" / "course.yml").read_text("utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    assert runs[0] == "bash .ci/run"
    assert (ROOT / ".ci" / "run").is_file()
    _, script, name, *options = runs[1].split()
    assert (script, name in course.COMMANDS) == ("course.py", True)
    asked = [sys.executable, "-m", "tools.site.command", "--help"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout
    assert all(option in said for option in options if option.startswith("--"))
    (uploaded,) = [step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", "")]
    assert ROOT / uploaded == command.SITE / "html"
    for form in (folder / "ISSUE_TEMPLATE").glob("*.yml"):
        content = yaml.safe_load(form.read_text("utf-8"))
        assert {"name", "description", "body"} <= set(content), form.name
        ids = [part["id"] for part in content["body"]]
        assert len(set(ids)) == len(ids)


def test_the_container_and_binder_call_what_is_there():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    _, script, name, _ = container["postCreateCommand"].split()
    assert (script, name in course.COMMANDS) == ("course.py", True)
    version = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert version in ("3.11", "3.12", "3.13")
    lines = (ROOT / "binder" / "postBuild").read_text()
    for name in re.findall(r"course\.(\w+)\(\)", lines):
        assert callable(getattr(course, name))
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)


# --- the edition itself ---


@pytest.fixture(scope="module")
def site() -> Path:
    """Make the edition once, though several workers of pytest may ask for it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    out = ROOT / "build" / "site-test"
    done = out.parent / "site-test.json"
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    out.parent.mkdir(exist_ok=True)
    with FileLock(f"{out}.lock"):
        if not done.is_file() or json.loads(done.read_text()) != session:
            try:
                players.packages()
                environment.ensure()
            except (RuntimeError, SystemExit) as error:
                pytest.skip(f"what it needs cannot be installed: {str(error)[-300:]}")
            result = subprocess.run(
                [sys.executable, "-m", "tools.site.command", "--out", str(out)],
                cwd=ROOT,
                capture_output=True,
                encoding="utf-8",
            )
            assert result.returncode == 0, result.stdout + result.stderr
            done.write_text(json.dumps(session))
    return out


class Page(HTMLParser):
    """What a page loads, links to, and offers as a target."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loaded, self.links, self.ids, self.without_alt = [], [], set(), []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note one element."""
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", None) and "href" in found:
            self.loaded.append(found["href"])
        if "src" in found:
            self.loaded.append(found["src"])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.without_alt.append(found.get("src"))


@pytest.mark.slow
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    found = (path for path in site.rglob("*.html") if site / "_static" not in path.parents)
    files = {path: Page(path) for path in found}
    lost, elsewhere, without_alt = [], [], []
    for path, page in files.items():
        name = path.relative_to(site).as_posix()
        elsewhere += [(name, url) for url in page.loaded if re.match("(https?:)?//", url)]
        without_alt += [(name, picture) for picture in page.without_alt]
        for url in {*page.links, *page.loaded}:
            address = urlsplit(url)
            if address.scheme or address.netloc:
                continue
            file = (path.parent / unquote(address.path)).resolve() if address.path else path
            target = unquote(address.fragment)
            there = file.is_file() and (
                not target or file not in files or target in files[file].ids
            )
            if not there:
                lost.append((name, url))
    assert (lost, elsewhere, without_alt) == ([], [], [])
    notebooks = [path.stem for path in files if path.parent.name == "notebooks"]
    assert sorted(notebooks) == sorted(path.stem for path in course_notebooks())


@pytest.mark.slow
def test_each_style_sheet_brings_its_fonts(site):
    for sheet in site.rglob("*.css"):
        for url in re.findall(r"url\(([^)]+)\)", sheet.read_text(encoding="utf-8")):
            url = url.strip("\"'")
            assert not re.match("(https?:)?//", url), (sheet, url)
            if url.endswith(".woff2"):
                assert (sheet.parent / url).is_file(), (sheet, url)


@pytest.mark.slow
def test_formulas_are_ready_and_can_be_read_aloud(site):
    page = (site / "notebooks" / "01_q_learning.html").read_text(encoding="utf-8")
    formulas = page.count('class="katex"')
    cells = [cell.source for cell in read(NOTEBOOK).cells if cell.cell_type == "markdown"]
    assert formulas >= "".join(cells).count("$") / 4 > 20
    assert page.count("<math ") == formulas
    assert "katex-error" not in page


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Start a browser without a window, or say why there is none."""
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Serve the edition below a folder, as GitHub does."""
    with served(site.parent) as where:
        yield f"{where}{site.name}/"


@pytest.fixture
def open_page(browser, address) -> Iterator:
    """Return what opens a page; at the end nothing may have come from elsewhere or gone wrong."""
    contexts, faults = [], []

    def stays(url):
        return url.startswith((address, "data:", "blob:"))

    def opened(name, *, width=1280, scheme="light", touch=False):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append((name, str(error))))
        page.on("console", lambda said: said.type == "error" and faults.append((name, said.text)))
        page.on("request", lambda asked: stays(asked.url) or faults.append((name, asked.url)))
        page.goto(address + name)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


ALL = ["index.html", *(f"notebooks/{path.stem}.html" for path in course_notebooks())]
ALL += [path.relative_to(ROOT).with_suffix(".html").as_posix() for path in pages.pages()]
LOOKED_AT = [
    *("index.html", "play/digit.html", "search.html?q=mode+collapse", "docs/glossary.html"),
    *("notebooks/04_gan.html", "notebooks/10_painting_agent.html", "dqngan_lib/dqn/agent.html"),
    "docs/teaching.html",
]
"""One page of each kind, for what takes long."""
AXE = """rules => axe.run({exclude: [[".katex-html"]]}, rules ? {runOnly: rules} : {}).then(
  found => found.violations.map(fault => [fault.id, fault.nodes.filter(
    // axe does not count MathML as words
    node => fault.id != "empty-table-header" || !document.querySelector(`${node.target} math`)
  ).map(node => node.html.slice(0, 200))]).filter(([id, nodes]) => nodes.length))"""
"""Asks axe-core; it need not look at the copy of a formula that is for the eye alone."""
WIDE = """() => [...document.querySelectorAll("main *")].filter(e => {
  for (let p = e; p; p = p.parentElement)
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return false;
  return e.getBoundingClientRect().right > innerWidth + 1;
}).slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
"""What sticks out of the window on the right, and is in nothing that scrolls by itself."""


@pytest.mark.slow
def test_no_page_scrolls_sideways_on_a_phone(open_page, address):
    page = open_page(ALL[0], width=390, touch=True)
    wide = {}
    for name in ALL:
        page.goto(address + name)
        found = page.evaluate(WIDE)
        if found or page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide[name] = found
    assert wide == {}


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "rules"), [("light", None), ("dark", ["color-contrast"])])
def test_axe_finds_nothing(open_page, address, scheme, rules):
    page = open_page(LOOKED_AT[0], scheme=scheme)
    found = {}
    for name in LOOKED_AT:
        page.goto(address + name)
        if name.startswith("search"):
            page.wait_for_selector("#search-results :text('Search finished')")
        page.add_script_tag(path=players.packages() / "axe-core" / "axe.min.js")
        found[name] = page.evaluate(AXE, rules)
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.slow
def test_search_finds_mode_collapse_in_04_first(open_page):
    page = open_page("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("mode collapse")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    page.wait_for_selector("#search-results :text('Search finished')")
    first = page.locator("#search-results li a").first
    assert "notebooks/04_gan.html" in first.get_attribute("href")
    first.click()
    page.wait_for_selector("article h1:has-text('04'):visible")


@pytest.mark.slow
def test_dark_is_dark_whoever_asks_for_it(open_page):
    dark = """() => getComputedStyle(document.body).backgroundColor
        .match(/\\d+/g).slice(0, 3).every(shade => shade < 60)"""
    assert open_page("notebooks/01_q_learning.html", scheme="dark").evaluate(dark)
    page = open_page("notebooks/01_q_learning.html")
    assert not page.evaluate(dark)
    page.click("button.theme-switch-button:visible")
    page.click("button.theme-change-button[data-mode=dark]:visible")
    page.wait_for_function(dark)
    page.reload()
    assert page.evaluate(dark), "the choice is not kept"


@pytest.mark.slow
def test_films_play_folds_open_and_formulas_have_their_fonts(open_page, site):
    page = open_page("notebooks/10_painting_agent.html")
    film = page.locator("img[src$='.gif']").first
    file = site / "_images" / Path(film.get_attribute("src")).name
    with Image.open(file) as frames:
        assert frames.is_animated
        assert frames.info["loop"] == 0, "it stops at its end"
    assert film.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert film.get_attribute("alt").startswith("A film of forty sheets")
    fold = page.locator("details:has-text('Code: ')").first
    assert not fold.locator("pre").is_visible()
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.locator("pre").is_visible()
    fonts = "f => [...f].filter(font => font.status == 'loaded').map(font => font.family)"
    assert "KaTeX_Math" in page.evaluate(f"document.fonts.ready.then({fonts})")


@pytest.mark.slow
def test_a_notebook_taken_from_its_page_runs_to_its_end_on_colab(open_page, tmp_path):
    page = open_page("notebooks/00_start_here.html", width=390, touch=True)
    with page.expect_download() as download:
        page.tap("a:has-text('Notebook for Colab')")
    content = tmp_path / "content"
    content.mkdir()
    download.value.save_as(content / download.value.suggested_filename)
    with page.expect_download() as download:
        page.tap("a:has-text('Plain notebook')")
    plain = NOTEBOOKS / "00_start_here.ipynb"
    assert Path(download.value.path()).read_bytes() == plain.read_bytes()
    notebook = read(content / plain.name)
    notebook.cells.append(new_code_cell("import dqngan_lib; print(dqngan_lib.__file__)"))
    execute(notebook, make_machine(tmp_path / "machine"), content, COURSE_HEADLESS="1")
    place = notebook.cells[-1].outputs[0].text.strip()
    assert Path(place) == content / "dqngan-course" / "dqngan_lib" / "__init__.py"
