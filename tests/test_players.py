"""The players of the web edition: their numbers are Python's, and anybody can play them."""

import json
import math
import re
from copy import deepcopy

import pytest
import torch
from PIL import Image

from dqngan_lib.applications.art import trained as photo_room
from dqngan_lib.applications.art.painter import paint, plan
from dqngan_lib.applications.art.photos import fit_photo, read_photo
from dqngan_lib.applications.strokes import trained as digit_room
from dqngan_lib.applications.strokes.canvas import StrokeCanvas, real_steps
from dqngan_lib.applications.strokes.decoding import draw_strokes
from dqngan_lib.applications.strokes.drawing import ACTIONS, stroke_line, stroke_table
from tests.browsing import served, started_browser, violations
from tools import players

slow = pytest.mark.slow

PAGES = ("digit", "photo")
PATIENCE = 120_000
"""Milliseconds until something must have happened."""


def test_each_network_was_made_from_the_weights_of_the_package():
    players.check_models()
    rooms = {"digit": digit_room.WEIGHTS_SHA256, "photo": photo_room.WEIGHTS_SHA256}
    named = json.loads((players.MODELS / "models.json").read_text("utf-8"))
    assert named.keys() == {path.name for path in players.MODELS.glob("*.onnx")}
    for name, entry in named.items():
        assert entry["weights"] == rooms[name.split("_")[0]], "python -m tools.players --export"


def test_a_damaged_network_is_refused(tmp_path, monkeypatch):
    for path in players.MODELS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "photo_worth.onnx").write_bytes(b"no network")
    monkeypatch.setattr(players, "MODELS", tmp_path)
    with pytest.raises(ValueError, match=r"photo_worth\.onnx is damaged"):
        players.check_models()


def test_without_npm_it_says_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(players, "WEB", tmp_path)
    monkeypatch.setattr(players.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"need npm.*Node\.js"):
        players.packages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_other_site_and_labels_its_controls(name):
    text = (players.WEB / f"{name}.html").read_text("utf-8")
    assert not re.search(r"(https?:)?//\w", text)
    assert '<html lang="en">' in text and "<noscript>" in text
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", text))


@pytest.fixture(scope="module")
def browser():
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The pages as a site has them, under play/."""
    site = tmp_path_factory.mktemp("site")
    try:
        players.build(site / "play")
    except RuntimeError as error:
        pytest.skip(str(error))
    with served(site) as started:
        yield f"{started}play/"


@pytest.fixture(scope="module")
def axe(address):
    return players.packages() / "axe-core" / "axe.min.js"


@pytest.fixture
def opened(browser, address):
    """A function that opens a page and waits until it plays; nothing may go wrong meanwhile."""
    contexts, wrong = [], []

    def open_page(name, ready=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: asks(asked.url))
        page.goto(f"{address}{name}.html")
        if ready:
            page.wait_for_selector("html[data-ready=yes]", state="attached")
        return page

    def asks(url):
        if not url.startswith((address, "data:", "blob:")):
            wrong.append(f"asks {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


NETWORK = """async ([name, inputs]) => {
    const { loadNetwork } = await import("./runtime.js");
    const kinds = { uint8: Uint8Array, float32: Float32Array };
    for (const input of Object.values(inputs)) input.data = new kinds[input.kind](input.data);
    return [...await (await loadNetwork(name))(inputs)];
}"""


def ask(page, name, **inputs):
    """Return what a network answers in the browser, as a flat tensor."""
    given = {
        key: {"data": x.flatten().tolist(), "shape": list(x.shape), "kind": str(x.dtype)[6:]}
        for key, x in inputs.items()
    }
    return torch.tensor(page.evaluate(NETWORK, [name, given]))


@slow
def test_q_values_of_digits_agree(opened):
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(10)
    actions = torch.randint(ACTIONS, (10, 10), generator=rng)
    observation = real_steps(actions, labels)["observation"]
    q_values = digit_room.load_digit_painter()(observation)
    found = ask(opened("digit"), "digit_painter", observation=observation).view_as(q_values)
    assert (found - q_values).abs().max() < 1e-4


@slow
def test_strokes_and_ink_agree(opened):
    made = opened("digit").evaluate("""async () => {
        const { ink, strokeLine, NO_OP } = await import("./strokes.js");
        const all = [...Array(NO_OP + 1).keys()];
        return [all.map((number) => [...ink(number)]), all.slice(0, NO_OP).map(strokeLine)];
    }""")
    assert torch.allclose(torch.tensor(made[0]), stroke_table(), atol=1e-6)
    lines = [stroke_line(number) for number in range(ACTIONS - 1)]
    assert torch.allclose(torch.tensor(made[1]), torch.tensor(lines), atol=1e-5)


def mulberry(seed):
    """The page's random numbers, written again."""
    while True:
        seed = (seed + 0x6D2B79F5) % 2**32
        t = (seed ^ seed >> 15) * (seed | 1) % 2**32
        t = (t + ((t ^ t >> 7) * (t | 61)) % 2**32) % 2**32 ^ t
        yield (t ^ t >> 14) / 2**32


def drawn_in_python(digit, temperature, seed, monkeypatch):
    """Draw as `plots.draw_digits` does, with the page's random numbers."""
    luck, painter, sheets = mulberry(seed), digit_room.load_digit_painter(), StrokeCanvas(1)
    observation, _ = sheets.reset(options={"labels": torch.tensor([digit])})
    actions = []
    for _ in range(10):
        q_values, point = painter(observation), next(luck)
        if temperature == 0:
            action = q_values.argmax(1)
        else:
            with monkeypatch.context() as patch:
                given = torch.tensor([[point]], dtype=torch.float64)
                patch.setattr(torch, "rand", lambda *size, given=given, **options: given)
                action = draw_strokes(q_values / temperature, torch.Generator())
        actions.append(action.item())
        observation = sheets.step(action)[0]
    return actions


@slow
def test_drawings_agree_stroke_by_stroke(opened, monkeypatch):
    wanted = [(digit, tau, 7 * digit) for digit in range(10) for tau in (0, 0.35, 1, 1.5)]
    found = opened("digit").evaluate(
        """async (wanted) => {
        const { loadNetwork } = await import("./runtime.js");
        const { drawDigit } = await import("./strokes.js");
        const values = await loadNetwork("digit_painter");
        const all = [];
        for (const one of wanted) {
            all.push((await drawDigit(values, ...one)).states.map((state) => state.action));
        }
        return all;
    }""",
        wanted,
    )
    assert found == [drawn_in_python(*one, monkeypatch) for one in wanted]


@slow
def test_q_values_of_photographs_agree(opened):
    """In two parts, on sheets with borders: together they are the network.

    Sums of hundreds of numbers are rounded in torch and in the browser; both must be as near to
    the network in double precision.
    """
    rng = torch.Generator().manual_seed(0)
    page, painter = opened("photo", ready=False), photo_room.load_photo_painter()
    double = deepcopy(painter).double()
    for high, wide, likeness in ((28, 28, 0.0), (40, 62, 0.0), (20, 34, 0.98)):
        target = torch.rand(1, 3, high, wide, generator=rng)
        canvas = torch.lerp(torch.rand(1, 3, high, wide, generator=rng), target, likeness)
        q_values = painter(canvas, target)
        c, t, inside = (
            torch.nn.functional.pad(x, (8, 8, 8, 8))
            for x in (canvas, target, torch.ones(1, 1, high, wide))
        )
        spread = ask(page, "photo_spread", target=t, inside=inside).view_as(q_values)
        found = ask(page, "photo_worth", canvas=c, target=t, spread=spread).view_as(q_values)
        exact = double(canvas.double(), target.double())
        greatest = exact.abs().max()
        for name, values in (("the browser", found), ("torch", q_values)):
            off = (values - exact).abs().max()
            print(f"Q-values up to {greatest:.0f}: {name} is off by {off:.1e}")
            assert off < 1e-5 * greatest


PAINT = """async ([picture, high, wide, side, multiple, count]) => {
    const { loadNetwork } = await import("./runtime.js");
    const { Painting, fitPhoto, meanColour, paint, plan } = await import("./painter.js");
    const networks = {
        spread: await loadNetwork("photo_spread"), worth: await loadNetwork("photo_worth"),
    };
    const fit = fitPhoto(new Float32Array(picture), high, wide, side, multiple);
    const { height, width } = fit;
    const painting = new Painting(fit.picture, height, width, meanColour(fit.picture));
    for await (const _ of paint(networks, painting, plan(height, width, count)));
    return {
        target: [...fit.picture], canvas: [...painting.canvas], height, width,
        errors: painting.errors,
        strokes: painting.strokes.map((s) =>
            [s.row, s.column, s.angle, s.length, s.halfWidth, ...s.colour]),
    };
}"""


def painted(page, picture, side, multiple, strokes):
    """Paint in the browser and in Python; return both, and the target in Python."""
    found = page.evaluate(
        PAINT, [picture.flatten().tolist(), *picture.shape[1:], side, multiple, strokes]
    )
    target = fit_photo(picture, side, multiple)
    assert (found["height"], found["width"]) == tuple(target.shape[1:])
    assert torch.allclose(torch.tensor(found["target"]).view_as(target), target, atol=1e-5)
    schedule = plan(*target.shape[1:], strokes)
    ours = paint(photo_room.load_photo_painter(), target, schedule, ground=target.mean((1, 2)))
    return found, ours


def shared_strokes(found, ours):
    """Return how many strokes at the start are the same, and how the numbers of these differ."""
    rows = [[s.row, s.column, s.angle, s.length, s.half_width, *s.colour] for s in ours.strokes]
    both = list(zip(found["strokes"], rows, strict=True))
    same = next((i for i, (a, b) in enumerate(both) if a[:5] != pytest.approx(b[:5])), len(both))
    colours = torch.tensor([[a[5:], b[5:]] for a, b in both[:same]])
    return same, (colours[:, 0] - colours[:, 1]).abs().max().item()


@slow
@pytest.mark.parametrize("high, wide", [(90, 61), (48, 200)])
def test_paintings_agree_stroke_by_stroke(opened, high, wide):
    rng = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, high // 8, wide // 8, generator=rng)
    picture = torch.nn.functional.interpolate(coarse, (high, wide), mode="bicubic")[0].clamp(0, 1)
    found, ours = painted(opened("photo", ready=False), picture, 64, 8, 150)
    same, colours = shared_strokes(found, ours)
    assert same == 150
    assert colours < 1e-4
    assert torch.allclose(torch.tensor(found["canvas"]), ours.canvas.flatten(), atol=1e-3)
    assert torch.allclose(torch.tensor(found["errors"]), torch.tensor(ours.errors), atol=1e-6)


@slow
def test_the_portrait_agrees(opened):
    """2,000 strokes: two of the same value may change places, and the rest follows from that."""
    picture = read_photo(players.WEB / "samples" / "astronaut.png")
    found, ours = painted(opened("photo", ready=False), picture, 256, 16, 2_000)
    same, _ = shared_strokes(found, ours)
    difference = abs(-10 * math.log10(found["errors"][-1]) - ours.psnr()[-1])
    print(f"{same} strokes are the same; the likeness differs by {difference:.4f} dB")
    assert same >= 200
    assert difference < 0.02


@slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(name, scheme, width, opened, axe):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = opened(name, reduced_motion="reduce", bypass_csp=True, **options)
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    # The course's other pages remember a choice; it counts for more than the machine's.
    other = {"light": "dark", "dark": "light"}[scheme]
    page.evaluate(f"localStorage.setItem('mode', '{other}')")
    page.reload()
    changed = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (changed == "rgb(255, 255, 255)") == (other == "light")


@slow
@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_there_is_a_film(name, opened):
    page = opened(name, ready=False, java_script_enabled=False)
    page.wait_for_selector("#twin img")
    assert page.is_hidden("#player")
    assert "JavaScript" in page.inner_text("noscript")
    assert page.locator("#twin img").get_attribute("alt")


@slow
@pytest.mark.parametrize("name", PAGES)
def test_where_the_network_does_not_come_the_film_stays(name, browser, address):
    page = browser.new_page()
    page.route("**/*.wasm", lambda route: route.abort())
    page.goto(f"{address}{name}.html")
    page.wait_for_selector("#failed:visible")
    assert "could not start" in page.inner_text("#failed")
    assert page.is_visible("#twin img") and page.is_hidden("#player")
    assert page.evaluate("document.querySelector('#twin img').complete")
    page.close()


def sheet(page, name="paper"):
    """Return a picture's content, as text."""
    return page.evaluate(f"document.getElementById('{name}').toDataURL()")


@slow
def test_digit_by_mouse(opened):
    page = opened("digit")
    page.wait_for_function("document.getElementById('step').value > 2")  # it draws by itself
    page.get_by_text("7", exact=True).click()
    page.wait_for_selector("#status:text('A 7 in ten strokes')")
    page.select_option("#temperature", "1.5")
    page.wait_for_selector("#status:text('temperature 1.5, seed 0')")
    page.click("#again")
    page.wait_for_selector("#status:text('seed 1')")
    page.click("#play")  # a pause
    assert page.inner_text("#play") == "Play"
    before = page.input_value("#step")
    page.wait_for_timeout(1_500)
    assert page.input_value("#step") == before
    page.locator("#step").scroll_into_view_if_needed()
    box = page.locator("#step").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert page.input_value("#step") == "10"
    assert page.inner_text("#facts") == "The drawing is finished."


@slow
def test_digit_by_keyboard(opened):
    """Tab from the top of the page, and arrow keys; somebody has asked for pages that are still."""
    page = opened("digit", reduced_motion="reduce")
    assert page.input_value("#step") == "10"
    first, seen = sheet(page), []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if seen[-1] == "INPUT":
            page.keyboard.press("ArrowRight")
            page.wait_for_selector("#status:text('A 4 in ten strokes')")
        if seen[-1] == "seed":
            page.keyboard.press("ArrowUp")
            page.keyboard.press("Tab")
            page.wait_for_selector("#status:text('seed 1')")
            page.keyboard.press("Enter")  # another seed
            page.wait_for_selector("#status:text('seed 2')")
        if seen[-1] == "step":
            break
    assert seen[-1] == "step", seen
    assert sheet(page) != first
    page.keyboard.press("Home")
    assert page.get_attribute("#step", "aria-valuetext").startswith("0 of 10 strokes. Stroke 1 ")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#count") == "1"
    assert "with 1 of 10" in page.get_attribute("#paper", "aria-label")
    assert "Most likely: row" in page.get_attribute("#map", "aria-label")


PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


@slow
def test_digit_by_touch(opened):
    page = opened("digit", **PHONE)
    small = page.evaluate("""
        [...document.querySelectorAll("#player :is(button, .tiles label, select)")]
        .filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)""")
    assert small == []
    page.get_by_text("8", exact=True).tap()
    page.wait_for_selector("#status:text('A 8 in ten strokes')")
    page.locator("#again").tap()
    page.wait_for_selector("#status:text('seed 1')")
    page.locator("#play").tap()
    assert page.inner_text("#play") == "Play"


@slow
def test_at_temperature_0_the_seed_changes_nothing(opened):
    page = opened("digit", reduced_motion="reduce")
    page.select_option("#temperature", "0")
    page.wait_for_selector("#status:text('temperature 0, seed 0')")
    before = sheet(page)
    page.click("#again")
    page.wait_for_selector("#status:text('seed 1')")
    assert sheet(page) == before
    page.fill("#seed", "-5")  # out of its range
    page.keyboard.press("Tab")
    page.wait_for_selector("#status:text('seed 0')")


def is_painted(page, words):
    page.wait_for_function(
        "(words) => document.getElementById('status').textContent.startsWith(words)"
        " && document.getElementById('paint').textContent === 'Paint'",
        arg=words,
    )


@slow
def test_photo_by_mouse(opened, tmp_path):
    page = opened("photo")
    is_painted(page, "astronaut: 2,000 strokes in ")
    print(page.inner_text("#status"))
    first = sheet(page, "painting")
    page.select_option("#strokes", "500")
    page.get_by_role("radio", name="A cat").click()
    is_painted(page, "cat: 500 strokes in ")
    whole = sheet(page, "painting")
    assert whole != first
    page.locator("#step").scroll_into_view_if_needed()
    box = page.locator("#step").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    assert 100 < int(page.inner_text("#count")) < 250
    assert sheet(page, "painting") != whole
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "cat_painted.png"
    with Image.open(download.value.path()) as saved:
        assert saved.size == (768, 768)


def photo_file(folder, height, width, name="mine.jpg", orientation=1):
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randint(256, (6, 6, 3), generator=rng).byte().numpy()
    path = folder / name
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(coarse).resize((width, height)).save(path, exif=exif)
    return path


@slow
def test_photo_by_touch_and_a_file_of_a_phone(opened, tmp_path):
    page = opened("photo", **PHONE)
    page.select_option("#strokes", "250")
    with page.expect_file_chooser() as chooser:
        page.locator("#file").tap()
    chooser.value.set_files(photo_file(tmp_path, 3024, 4032, orientation=6))  # taken upright
    is_painted(page, "mine.jpg: 250 strokes in ")
    assert "256 × 336 pixels" in page.get_attribute("#photo", "aria-label")
    assert page.locator("[name=sample]:checked").count() == 0
    page.locator("#paint").tap()
    is_painted(page, "mine.jpg: 250 strokes in ")


@slow
def test_photo_by_keyboard_and_a_stop(opened):
    page = opened("photo", reduced_motion="reduce")
    page.focus("[name=sample]:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#status:text('Painting cat')")
    page.focus("#strokes")
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    assert page.inner_text("#paint") == "Stop"
    page.keyboard.press("Enter")
    is_painted(page, "cat: ")
    laid = int(page.get_attribute("#painting", "data-strokes"))
    assert laid < 2_000
    page.focus("#step")
    assert page.input_value("#step") == str(laid)
    page.keyboard.press("Home")
    assert page.inner_text("#count") == "0"


DROP = """([name, kind, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
    for (const type of ["dragenter", "dragover", "drop"]) {
        document.getElementById("drop").dispatchEvent(
            new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""


@slow
def test_what_is_dropped_is_painted_and_what_is_no_picture_is_named(opened, tmp_path):
    page = opened("photo")
    page.select_option("#strokes", "250")
    tall = photo_file(tmp_path, 900, 150, "tall.png").read_bytes()
    page.evaluate(DROP, ["tall.png", "image/png", list(tall)])
    is_painted(page, "tall.png: 250 strokes in ")
    assert "256 × 768 pixels" in page.get_attribute("#photo", "aria-label")  # no more than 3 to 1
    before = sheet(page, "painting")
    page.evaluate(DROP, ["letter.txt", "text/plain", list(b"Dear Sir")])
    page.wait_for_selector("#wrong:text('“letter.txt” cannot be painted')")
    tiny = photo_file(tmp_path, 5, 90, "tiny.png").read_bytes()
    page.evaluate(DROP, ["tiny.png", "image/png", list(tiny)])
    page.wait_for_selector("#wrong:text('90 × 5 pixels; each side needs 8')")
    assert sheet(page, "painting") == before
