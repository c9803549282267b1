"""Figures, tables and films: what is displayed, and that everyone can read it."""

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from IPython.display import HTML
from matplotlib.font_manager import FontEntry
from PIL import Image

from dqngan_lib import plots
from dqngan_lib.course.data import photos
from dqngan_lib.dqn.plots import (
    cartpole_frames,
    draw_cartpole,
    draw_dqn,
    draw_replay,
    draw_table_and_network,
)
from dqngan_lib.dqn.training import History
from dqngan_lib.environments import grid_plots
from dqngan_lib.environments.grid_world import GridWorld


@pytest.fixture(autouse=True)
def headless_canvas():
    """Draw without a screen."""
    before = mpl.get_backend()
    mpl.use("agg")
    yield
    plots.plt.close("all")
    mpl.use(before)


class Handle:
    """Stands in for what `display(…, display_id=True)` returns."""

    def __init__(self) -> None:
        self.updates = 0
        handles.append(self)

    def update(self, figure) -> None:
        """Count."""
        self.updates += 1


handles: list[Handle] = []


@pytest.fixture
def shown(monkeypatch) -> list:
    """Collect what is displayed."""
    things: list = []

    def display(thing, raw=False, display_id=None):
        things.append(thing)
        return Handle() if display_id else None

    monkeypatch.setattr(plots, "display", display)
    return things


def picture_in(bundle: dict) -> np.ndarray:
    """Return the pixels of a displayed PNG."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGB"))


def test_a_figure_is_shown_with_its_description_and_closed(shown):
    figure, axes = plots.plt.subplots(figsize=(3, 2))
    axes.plot([0, 1], [0, 1])
    plots.show(figure, "  A line that rises. ")
    picture, text = shown
    assert picture_in(picture).shape == (200, 300, 3)
    assert picture_in(picture).std() > 0
    assert text["text/plain"] == "Figure: A line that rises."
    assert text["text/markdown"] == "*Figure: A line that rises.*"
    assert plots.plt.get_fignums() == []


def test_a_photograph_is_a_jpeg_and_smaller(shown):
    pictures = torch.stack([photos()[name] for name in ("china", "chelsea")])
    plots.show_images(pictures, "A pagoda and a cat.", scale=1.0)
    plots.show_images(pictures, "A pagoda and a cat.", scale=1.0, photo=True)
    png, jpeg = shown[0]["image/png"], shown[2]["image/jpeg"]
    assert Image.open(io.BytesIO(base64.b64decode(jpeg))).format == "JPEG"
    assert len(jpeg) < len(png) / 2


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_description_is_refused(shown, alt):
    with pytest.raises(ValueError, match="alt must describe"):
        plots.show(plots.plt.figure(), alt)
    assert shown == []


def test_a_table_as_markdown_and_as_text(shown):
    plots.table([["random", 22.5], ["DQN | best", 500]], ["policy", "return"], "Two policies.")
    (bundle,) = shown
    assert bundle["text/markdown"].splitlines() == [
        "Two policies.",
        "",
        "| policy | return |",
        "| --- | --- |",
        "| random | 22.5 |",
        r"| DQN \| best | 500 |",
    ]
    assert bundle["text/plain"].splitlines() == [
        "Two policies.",
        "policy      return",
        "random      22.5",
        "DQN | best  500",
    ]


def test_a_row_of_another_length_is_named(shown):
    with pytest.raises(ValueError, match=r"every row must have 2 cells; got \['1', '2', '3'\]"):
        plots.table([[1, 2], [1, 2, 3]], ["a", "b"], "x")
    assert shown == []


def test_seeds_are_thin_and_their_mean_is_thick():
    _, axes = plots.plt.subplots()
    plots.seed_curves(axes, [0, 1, 2], [[0, 2, 4], [2, 4, 12]], "DQN", "dqn")
    first, second, mean = axes.lines
    assert first.get_ydata().tolist() == [0, 2, 4]
    assert second.get_ydata().tolist() == [2, 4, 12]
    assert mean.get_ydata().tolist() == [1, 3, 8]
    assert mean.get_linewidth() > 2 * first.get_linewidth()
    assert {line.get_color() for line in axes.lines} == {plots.COLORS["dqn"]}
    assert axes.get_legend_handles_labels()[1] == ["DQN"]


@pytest.mark.parametrize(
    ("x", "runs", "color", "word"),
    [
        ([0, 1], [[0, 1]], "pink", "color must be one of"),
        ([0, 1], [[0, 1], [0, 1, 2]], "dqn", "runs must hold"),
        ([0, 1], [], "dqn", "runs must hold"),
    ],
)
def test_seed_curves_name_what_is_wrong(x, runs, color, word):
    with pytest.raises(ValueError, match=word):
        plots.seed_curves(plots.plt.subplots()[1], x, runs, "label", color)


def test_colors_differ_also_in_grey():
    from matplotlib.colors import to_rgb

    assert len(set(plots.COLORS.values())) == len(plots.COLORS)
    # Real and generated data are compared most often: told apart by brightness alone.
    grey = {name: np.dot(to_rgb(code), (0.3, 0.59, 0.11)) for name, code in plots.COLORS.items()}
    assert abs(grey["real"] - grey["generated"]) > 0.3


def test_a_grid_of_images(shown, monkeypatch):
    grids = []
    imshow = plots.Axes.imshow
    monkeypatch.setattr(
        plots.Axes, "imshow", lambda self, grid: (grids.append(grid), imshow(self, grid))[1]
    )
    images = torch.zeros(5, 1, 4, 6)
    images[4] = 2.0  # brighter than white is white
    plots.show_images(images, "Five pictures.", columns=3, title="Five", scale=4)
    (grid,) = grids
    # Two rows of three pictures of 4 × 6 pixels with 2 pixels around each.
    assert grid.shape == (2 + 2 * 6, 2 + 3 * 8, 3)
    assert (grid[2:6, 2:8] == 0).all()
    assert (grid[8:12, 10:16] == 1).all()
    assert grid.max() == 1
    assert shown[1]["text/plain"] == "Figure: Five pictures."
    plots.show_images(torch.rand(2, 3, 4, 4), "Colour.")


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (2, 2, 4, 4), (0, 1, 4, 4)])
def test_images_of_another_shape_are_refused(shown, shape):
    with pytest.raises(ValueError, match=r"images must be \(n, 1 or 3, height, width\)"):
        plots.show_images(torch.zeros(shape), "alt")
    with pytest.raises(ValueError, match="columns"):
        plots.show_images(torch.zeros(2, 1, 4, 4), "alt", columns=0)
    assert shown == []


def test_a_film_repeats_and_says_what_happens(shown):
    frames = [np.full((4, 6, 3), 40 * k, np.uint8) for k in range(5)]
    frames[2][0, 0] = (255, 0, 0)
    plots.film(frames, 'The "pole" & the <cart>.', seconds=1.0, width=123)
    (html,) = shown
    assert isinstance(html, HTML)
    assert 'alt="The &quot;pole&quot; &amp; the &lt;cart&gt;."' in html.data
    assert 'width="123"' in html.data
    code = re.search(r"base64,([^\"]+)", html.data)[1]
    film = Image.open(io.BytesIO(base64.b64decode(code)))
    assert film.n_frames == 5
    assert film.info["loop"] == 0
    for k, frame in enumerate(frames):
        film.seek(k)
        assert film.info["duration"] == 200
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - frame).max() <= 4


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((4, 4), np.float32)],
        [np.zeros((4, 4, 4), np.uint8)],
        [np.zeros(4, np.uint8)],
        [np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)],
    ],
)
def test_impossible_frames_are_named(shown, frames):
    with pytest.raises(ValueError, match="frames must"):
        plots.film(frames, "alt")
    assert shown == []


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_tag_holds_its_picture_and_its_description(kind):
    picture = torch.full((1, 4, 6), 0.5)
    picture[0, 0] = 7.0  # brighter than white is white
    tag = plots.img_tag(picture, "A <grey> square", kind, width=60)
    start = f'<img alt="A &lt;grey&gt; square" width="60" src="data:image/{kind};base64,'
    assert tag.startswith(start) and tag.endswith('">')
    read = Image.open(io.BytesIO(base64.b64decode(tag.removeprefix(start)[:-2])))
    assert (read.format, read.size) == (kind.upper(), (6, 4))
    pixels = np.asarray(read.convert("L"), dtype=int)
    assert abs(pixels[2:].mean() - 128) < 8 and pixels[0].mean() > 240


def test_a_tag_takes_figures_and_files_and_wants_a_description():
    figure, _ = plots.plt.subplots(figsize=(2, 1))
    assert plots.img_tag(figure, "Axes.").startswith(
        '<img alt="Axes." src="data:image/png;base64,iVB'
    )
    assert plots.plt.get_fignums() == []
    svg = plots.img_tag(b"<svg/>", "Nothing.", "svg+xml")
    assert svg == '<img alt="Nothing." src="data:image/svg+xml;base64,PHN2Zy8+">'
    with pytest.raises(ValueError, match="alt must be a description"):
        plots.img_tag(b"<svg/>", " ", "svg+xml")


def test_a_figure_becomes_pixels():
    figure, axes = plots.plt.subplots(figsize=(2, 1), dpi=50)
    axes.set_axis_off()
    axes.axhspan(0, 1, color="#ff0000")
    pixels = plots.figure_to_array(figure)
    assert pixels.shape == (50, 100, 3)
    assert pixels.dtype == np.uint8
    assert pixels[25, 50].tolist() == [255, 0, 0]
    assert plots.plt.get_fignums() == []


def test_the_live_curve_is_redrawn_in_place(shown, monkeypatch):
    history = History(step=[1, 2], score=[3.0, 4.0])
    curve = plots.LiveCurve("return")
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    curve(history)
    assert shown == []
    monkeypatch.delenv("COURSE_HEADLESS")
    for _ in range(3):
        curve(history)
    (figure,) = shown
    assert handles[-1].updates == 2
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 3], [2, 4]]
    assert axes.get_ylabel() == "return"
    assert plots.plt.get_fignums() == []


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_the_cart_is_where_it_is_and_the_pole_leans_as_it_does(kind):
    figure = draw_cartpole(kind([1.5, 0.0, 0.2, 0.0]), "step 3")
    (axes,) = figure.axes
    pole = axes.lines[-1].get_xydata()
    np.testing.assert_allclose(pole[1] - pole[0], [np.sin(0.2), np.cos(0.2)], atol=1e-6)
    np.testing.assert_allclose(pole[0, 0], 1.5)
    (cart,) = axes.patches
    assert cart.get_x() + cart.get_width() / 2 == pytest.approx(1.5)
    assert axes.get_title(loc="left") == "step 3"


# Chinese, Japanese and Korean letters -------------------------------------------------------------


def titled(title: str, fonts: list[str]) -> np.ndarray:
    """Return the pixels of a figure with a title, drawn with these fonts."""
    with mpl.rc_context({"font.family": fonts}):
        figure, axes = plots.plt.subplots(figsize=(4, 2))
        axes.plot([-1, 1], [2, -3], label="γ → −1")
        axes.legend()
        axes.set_title(title)
        return plots.figure_to_array(figure)


def test_an_installed_font_draws_what_the_usual_one_has_not():
    assert plots.fallback_fonts(["DejaVu Sans", "Noto Sans CJK SC"]) == ["Noto Sans CJK SC"]
    windows = ["Malgun Gothic", "Arial", "SimHei", "Microsoft YaHei"]
    assert plots.fallback_fonts(windows) == ["Microsoft YaHei", "Malgun Gothic"]
    assert plots.fallback_fonts(["Apple SD Gothic Neo"]) == ["Apple SD Gothic Neo"]
    assert plots.fallback_fonts(["DejaVu Sans"]) == []


class Fonts:
    """Stands in for matplotlib's list, which was made before a font was installed."""

    def __init__(self, *names: str) -> None:
        self.ttflist = [FontEntry(fname=f"{name}.ttf", name=name) for name in names]

    def addfont(self, file: str) -> None:
        """Add the font of a file, or fail as matplotlib does."""
        if "broken" in file:
            raise RuntimeError(file)
        self.ttflist.append(FontEntry(fname=file, name=file.removesuffix(".ttf")))


def test_a_font_that_was_installed_later_is_found(monkeypatch):
    files = ["DejaVu Sans.ttf", "broken.ttf", "SimHei.ttf"]
    monkeypatch.setattr(plots, "findSystemFonts", lambda: files)
    assert plots.installed_fonts(Fonts("DejaVu Sans")) == ["DejaVu Sans", "SimHei"]
    assert plots.installed_fonts(Fonts("Noto Sans CJK SC")) == ["Noto Sans CJK SC"]


def test_a_figure_without_such_letters_is_the_same():
    fonts = ["sans-serif", *plots.fallback_fonts(plots.installed_fonts())]
    assert mpl.rcParams["font.family"] == fonts
    assert np.array_equal(titled("Q′ of “λ”", ["sans-serif"]), titled("Q′ of “λ”", fonts))


def test_letters_without_a_font_are_told_once(monkeypatch, capsys, recwarn):
    monkeypatch.setattr(plots, "_said", [])
    titled("reward", ["DejaVu Sans"])
    assert capsys.readouterr().out == ""
    for title in ("奖励", "보상", "ごほうび"):
        titled(title, ["DejaVu Sans"])
    assert capsys.readouterr().out == f"{plots.NO_FONT}\n"
    assert len(recwarn) == 0
    titled("\N{NAZAR AMULET}", ["DejaVu Sans"])
    assert "NAZAR AMULET" in str(recwarn.pop().message)


def test_an_installed_font_draws_letters_and_not_boxes(recwarn):
    fonts = plots.fallback_fonts(plots.installed_fonts())
    if not fonts:
        pytest.skip("no font with Chinese letters is installed")
    drawn = [titled(title, ["sans-serif", *fonts]) for title in ("奖励", "励奖")]
    assert not np.array_equal(*drawn)
    assert len(recwarn) == 0


def test_a_film_in_few_colors_has_the_same_ones_in_every_frame():
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8))
    few = plots.in_few_colors(frames, 6)
    assert [frame.shape for frame in few] == [(5, 4, 3)] * 3
    assert len({tuple(pixel) for frame in few for pixel in frame.reshape(-1, 3)}) <= 6
    assert few[0].dtype == np.uint8
    plain = [np.full((5, 4, 3), shade, np.uint8) for shade in (0, 255)]
    assert all((a == b).all() for a, b in zip(plots.in_few_colors(plain, 2), plain, strict=True))


def test_a_film_of_carts_shows_each_policy_beside_the_other():
    frames = cartpole_frames({"left": zeros, "also left": zeros}, seed=1, steps=12, every=4)
    assert len(frames) == 3
    half = frames[0].shape[1] // 2
    cart = np.s_[45:]  # below the titles, which differ
    assert (frames[2][cart, :half] == frames[2][cart, half:]).all()
    assert (frames[0][cart] != frames[2][cart]).any()


def zeros(observation):
    return torch.zeros(len(observation), dtype=torch.long)


@pytest.mark.parametrize("draw", [draw_dqn, draw_table_and_network])
def test_the_drawings_of_a_dqn_have_a_title(draw):
    figure = draw()
    assert all(axes.get_title(loc="left") for axes in figure.axes)


def test_a_drawing_of_replay_marks_the_newest_and_a_random_batch():
    observations = torch.arange(40.0).reshape(10, 4)
    figure = draw_replay(observations, 3, torch.Generator().manual_seed(0))
    _, newest, drawn = figure.axes[0].get_lines()
    assert newest.get_xdata().tolist() == [7, 8, 9]
    assert (torch.as_tensor(drawn.get_ydata()) == observations[drawn.get_xdata(), 2]).all()


def test_frames_of_walkers_show_where_they_are():
    world, table = GridWorld(), torch.zeros(12, 4, dtype=torch.float64)
    frames = [grid_plots.draw_two_walkers(world, 1, (cell, table), 8) for cell in (8, 9)]
    half = frames[0].shape[1] // 2
    assert (frames[0][:, :half] != frames[1][:, :half]).any()
    assert (frames[0][:, half:] == frames[1][:, half:]).all()
    pair = [grid_plots.draw_policies(world, [("a", table, 8), ("b", table, c)]) for c in (8, 9)]
    assert (pair[0] != pair[1]).any()
