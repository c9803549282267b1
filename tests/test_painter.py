"""Strokes in colour: masks, best colours, gains, paintings, looks, films, palettes, training."""

import io

import pytest
import torch
from PIL import Image
from scipy.optimize import lsq_linear

from dqngan_lib.applications.art.animations import MOST_BYTES, stroke_svg, webp_film
from dqngan_lib.applications.art.brushes import (
    BRUSH_ACTIONS,
    BRUSH_SHAPES,
    best_colour,
    brush_gains,
    brush_table,
    lay_colour,
    stroke_at,
)
from dqngan_lib.applications.art.looks import LOOKS, render, render_steps
from dqngan_lib.applications.art.networks import GAIN, WINDOW, PainterNetwork, squash
from dqngan_lib.applications.art.painter import Painting, paint, plan, random_values
from dqngan_lib.applications.art.palettes import picture_palette
from dqngan_lib.applications.art.patches import photo_patches, plain_patches
from dqngan_lib.applications.art.planning import (
    CAP,
    candidates,
    mended,
    mix_again,
    paint_ahead,
)
from dqngan_lib.applications.art.style import StylePainter
from dqngan_lib.applications.art.training import PainterSettings, Sheets, train_painter
from dqngan_lib.course.data import photos

RANDOM = torch.Generator().manual_seed(0)
CANVAS, TARGET = torch.rand(2, 1, 3, 28, 28, generator=RANDOM)
SHORT = ((2, 3), (1, 5))


def smooth(side=56):
    line = torch.linspace(0, 1, side)
    return torch.stack(
        [
            line.expand(side, -1),
            line[:, None].expand(-1, side),
            0.5 + 0 * TARGET.new_zeros(side, side),
        ]
    )


def test_gains_are_what_laying_each_stroke_brings():
    gains = brush_gains(CANVAS, TARGET).flatten()
    masks, before, wanted = brush_table()[:, None], CANVAS.flatten(2), TARGET.flatten(2)
    after = lay_colour(before, masks, best_colour(before, wanted, masks))
    tried = (wanted - before).square().sum() - (wanted - after).square().sum((1, 2))
    assert len(gains) == BRUSH_ACTIONS
    assert torch.allclose(gains, tried, atol=1e-3)
    assert (brush_gains(TARGET, TARGET) < 0).all()


def test_no_other_colour_is_better():
    mask = brush_table()[1_500][None]
    best = best_colour(CANVAS[0].flatten(1), TARGET[0].flatten(1), mask)
    errors = []
    for shift in (0.0, -0.02, 0.02):
        colour = (best + shift).clamp(0, 1)
        after = lay_colour(CANVAS[0].flatten(1), mask, colour)
        errors.append((TARGET[0].flatten(1) - after).square().sum().item())
    assert errors[0] == min(errors)


def test_errors_are_those_of_the_canvas_and_search_beats_luck():
    target = smooth()
    exact, luck = paint(brush_gains, target, SHORT), paint(random_values(0), target, SHORT)
    for painting in (exact, luck):
        assert len(painting.strokes) == 8
        assert painting.errors[-1] == pytest.approx(
            (painting.canvas - target).square().mean().item(), abs=1e-6
        )
    assert exact.psnr()[-1] > luck.psnr()[-1]


def test_a_palette_is_kept_to():
    palette = picture_palette(smooth(), 3, seed=0)
    painting = paint(brush_gains, smooth(), SHORT, palette)
    for stroke in painting.strokes:
        assert (palette - torch.tensor(stroke.colour)).abs().sum(1).min() < 1e-5
    assert picture_palette(torch.full((3, 8, 8), 0.5), 4).shape == (4, 3)


def test_a_patient_painter_takes_back_what_brought_nothing():
    palette = picture_palette(smooth(), 3, seed=0)
    hasty = paint(brush_gains, smooth(), ((1, 60),), palette, patient=False)
    patient = paint(brush_gains, smooth(), ((1, 60),), palette)
    falls = [a - b for a, b in zip(patient.errors, patient.errors[1:], strict=False)]
    assert min(falls) > 0
    assert len(patient.strokes) == len(falls) <= 60
    assert patient.psnr()[-1] > hasty.psnr()[-1]
    error = (patient.canvas - smooth()).square().mean().item()
    assert patient.errors[-1] == pytest.approx(error, abs=1e-6)


def taught():
    """Return a network whose windows are the brushes: what it learns in notebook 14."""
    network = PainterNetwork()
    middle = [shape * 196 + 7 * 14 + 7 for shape in range(BRUSH_SHAPES)]
    masks = brush_table()[middle].reshape(-1, 1, 28, 28)[:, :, 6:24, 6:24]
    with torch.no_grad():
        network.u.copy_(masks.sqrt())
    return network


def styled(network):
    torch.manual_seed(0)
    painter = StylePainter(network, torch.rand(2, 3), weight=1.0)
    torch.nn.init.normal_(painter.layers[-1].weight, std=0.1)
    return painter


@pytest.mark.parametrize("kind", ["network", "exact", "style", "palette"])
def test_local_updates_lay_the_strokes_of_the_whole_map(kind):
    network = taught()
    values = {"exact": brush_gains, "style": styled(network)}.get(kind, network)
    photo = photos()["chelsea"][:, 16:112, :112].contiguous()
    more = {}
    if kind == "style":
        more = {"choices": values.palette}
    if kind == "palette":
        more = {"palette": picture_palette(photo, 4)}
    schedule = ((8, 20), (4, 30), (2, 50), (1, 100))
    photo = torch.nn.functional.interpolate(photo[None], (96, 128))[0]
    plain = paint(lambda c, t: values(c, t), photo, schedule, **more)  # it has no `reach`
    local = paint(values, photo, schedule, **more)
    assert local.strokes == plain.strokes
    assert torch.equal(local.canvas, plain.canvas)
    assert len({(stroke.row, stroke.column) for stroke in local.strokes}) > 50


@pytest.mark.parametrize("values", [PainterNetwork(), brush_gains, styled(PainterNetwork())])
def test_no_value_looks_beyond_its_reach(values):
    """One pixel changes: the values of places within reach do, and no others."""
    canvas = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = values(canvas, target)
        canvas[:, :, 32, 33] = 1 - canvas[:, :, 32, 33]
        moved = ((values(canvas, target) - before).abs() > 1e-6).any(1)[0]
    rows, columns = torch.where(moved)
    for places in (rows, columns):  # the pixel belongs to place 16, 16
        assert 16 - values.reach <= places.min() < 16 < places.max() <= 16 + values.reach


def test_a_plan_goes_from_a_patch_to_the_picture():
    assert [factor for factor, _ in plan(112, 112, 500)] == [4, 2, 1]
    assert [factor for factor, _ in plan(256, 384, 2_000)] == [8, 4, 2, 1]
    assert [factor for factor, _ in plan(512, 512, 6_000)] == [16, 8, 4, 2, 1]
    assert [factor for factor, _ in plan(248, 256, 9)] == [4, 2, 1]  # 248 is no multiple of 16
    for strokes in (0, 7, 2_000):
        counts = [count for _, count in plan(256, 256, strokes)]
        assert sum(counts) == strokes
        assert counts == sorted(counts)


def test_a_ground_is_under_the_strokes_everywhere():
    ground = torch.tensor([0.2, 0.4, 0.6])
    painting = paint(brush_gains, smooth(), SHORT, ground=ground)
    for picture in (render(painting, 2, "oil"), render(painting, 1, "plain")):
        assert ((picture - ground[:, None, None]).abs().amax(0) < 1e-6).any()
        assert not (picture == 1).all(0).any()
    assert "#336699" in stroke_svg(painting)
    bare = Painting.start(smooth(), SHORT, ground)
    expected = (smooth() - ground[:, None, None]).square().mean().item()
    assert bare.errors == [pytest.approx(expected)]


@pytest.mark.parametrize("look", LOOKS)
def test_looks_render_at_any_size(look):
    painting = paint(brush_gains, smooth(), SHORT)
    picture = render(painting, 2, look)
    assert picture.shape == (3, 112, 112)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert torch.equal(picture, render(painting, 2, look))
    blank, _, last = render_steps(painting, 2, look, stops=[0, 3, 8])
    assert (blank == 1).all()
    assert torch.equal(last, picture)


def test_the_plain_look_at_scale_1_is_the_painting_itself():
    painting = paint(brush_gains, smooth(), SHORT)
    assert torch.allclose(render(painting, 1, "plain"), painting.canvas, atol=1e-5)


def test_a_film_has_every_stroke_and_no_script():
    svg = stroke_svg(paint(brush_gains, smooth(), SHORT), frames=4)
    assert svg.count("<path") == 8
    assert svg.count("<animate") == 4
    assert "script" not in svg


def test_a_film_to_pass_on_is_small_and_begins_with_the_painting():
    painting = paint(brush_gains, smooth(), SHORT)
    film = webp_film(painting, scale=2, frames=4)
    assert len(film) <= MOST_BYTES
    with Image.open(io.BytesIO(film)) as opened:
        assert (opened.format, opened.size, opened.n_frames) == ("WEBP", (112, 112), 4)
        first = torch.tensor(list(opened.convert("RGB").tobytes())).reshape(112, 112, 3) / 255
    assert (first.permute(2, 0, 1) - render(painting, 2)).abs().mean() < 0.03


def test_what_later_strokes_mend_by_hand():
    x = torch.tensor([0.0, CAP, 100.0])
    assert torch.allclose(mended(x), CAP * torch.tensor([0.0, 0.632121, 1.0]), atol=1e-6)


def test_candidates_are_the_best_of_their_blocks():
    worth = torch.rand(16, 7, 8, generator=torch.Generator().manual_seed(0))
    found = {tuple(map(int, each)) for each in zip(*candidates(worth, 20), strict=True)}
    blocks = {
        max(
            ((s, r, c) for r in range(i, min(i + 3, 7)) for c in range(j, min(j + 3, 8))),
            key=lambda at: worth[at],
        )
        for s in range(16)
        for i in range(0, 7, 3)
        for j in range(0, 8, 3)
    }
    assert found == set(sorted(blocks, key=lambda at: -worth[at])[:20])
    assert len(candidates(worth, 10_000)[0]) == len(blocks)


def test_looking_ahead_it_lays_the_stroke_under_which_the_mended_error_falls_most():
    """One stroke on the coarser of two levels, against all candidates in their greedy colours."""
    target = torch.nn.functional.avg_pool2d(photos()["chelsea"][None, :, :112, :112], 2)[0]
    stroke = paint_ahead(target, ((2, 1), (1, 0))).strokes[0]
    assert (stroke.length, stroke.half_width) in ((20.0, 6.0), (10.0, 2.6))
    small = torch.nn.functional.avg_pool2d(target[None], 2).flatten(2)  # (1, 3, 784)
    masks, paper = brush_table(), torch.ones(1, 3, 784)

    def fall(mask, colour):
        after = lay_colour(paper, mask, colour)
        before = (small - paper).square().sum(1)
        return (mended(before) - mended((small - after).square().sum(1))).sum(1)

    same = [
        number
        for number in range(BRUSH_ACTIONS)
        if stroke_at(number, 28, 28, 2, stroke.colour) == stroke
    ]
    assert len(same) == 1
    chosen = fall(masks[same][:, None], torch.tensor([stroke.colour]))
    patch = small.unflatten(2, (28, 28))
    shape, row, column = candidates(brush_gains(torch.ones_like(patch), patch)[0], 64)
    others = masks[(shape * 14 + row) * 14 + column][:, None]
    assert chosen > fall(others, best_colour(paper, small, others)).max()


def test_colours_mixed_again_are_the_least_squares_of_the_whole_painting():
    """Against a library's least squares with bounds, on what each stroke shows in the end."""
    target = photos()["astronaut"][:, 20:76, 20:76].contiguous()
    painting = paint(brush_gains, target, ((2, 6), (1, 20)), ground=torch.tensor([0.2, 0.5, 0.7]))
    again = mix_again(painting, target)
    for before, after in zip(painting.strokes, again.strokes, strict=True):
        assert (before.row, before.angle) == (after.row, after.angle)
    bare = Painting.start(target, SHORT, torch.zeros(3))
    shown = []
    for chosen in painting.strokes:  # what a white stroke shows under all others in black
        bare.canvas.zero_()
        for stroke in painting.strokes:
            bare.lay(target, stroke, torch.full((3,), float(stroke is chosen)))
        shown.append(bare.canvas[0].flatten().clone())
    shown = torch.stack(shown, 1)
    ground = painting.ground[:, None] * (1 - shown.sum(1))
    for channel in range(3):
        wanted = target[channel].flatten() - ground[channel]
        best = lsq_linear(shown.double().numpy(), wanted.double().numpy(), (0, 1))
        error = (shown @ torch.tensor([s.colour[channel] for s in again.strokes]) - wanted).square()
        assert error.sum().item() == pytest.approx(2 * best.cost, rel=1e-3)
    assert again.psnr()[-1] > painting.psnr()[-1]


def test_a_trial_pays_the_gain_and_changes_nothing():
    settings = PainterSettings(sheets=2, unit=0.1)
    sheets = Sheets(TARGET, settings, torch.Generator().manual_seed(0))
    shape = torch.full((2, 1, 14, 14), 3)
    before = sheets.canvas.clone()
    reward = sheets.trial(shape)
    assert torch.equal(sheets.canvas, before)
    number = 3 * 196 + 7 * 14 + 5
    error = (sheets.target - sheets.canvas).square().sum((1, 2, 3))
    sheets.left[:] = 9
    sheets.lay(torch.full((2,), number))
    fall = error - (sheets.target - sheets.canvas).square().sum((1, 2, 3))
    assert torch.allclose(reward[:, 0, 7, 5], fall / 0.1, atol=1e-2)
    assert (sheets.left == 8).all()
    sheets.left[:] = 1
    sheets.lay(torch.full((2,), number))
    assert (sheets.left >= 5).all()


def test_patches_are_pictures_and_repeat_with_the_seed():
    for made in (photo_patches([smooth()], 5, 3), plain_patches(5, 3)):
        assert made.shape == (5, 3, 28, 28)
        assert made.min() >= 0
        assert made.max() <= 1
    assert torch.equal(photo_patches([smooth()], 5, 3), photo_patches([smooth()], 5, 3))


def test_the_network_is_error_less_spread_under_a_window():
    network = PainterNetwork()
    values = network(CANVAS, TARGET)
    assert values.shape == (1, 16, 14, 14)
    row, column, w = 7, 6, network.windows()[4]
    top, left = (2 * place - WINDOW // 2 + 1 for place in (row, column))
    window = slice(None), slice(top, top + WINDOW), slice(left, left + WINDOW)
    t, c = TARGET[0][window], CANVAS[0][window]
    mean = ((w * t).sum((1, 2)) / w.sum())[:, None, None]
    expected = GAIN * (w * ((t - c).square() - (t - mean).square())).sum()
    assert values[0, 4, row, column].item() == pytest.approx(expected.item(), rel=1e-3)
    assert network(smooth()[None], smooth()[None]).shape == (1, 16, 28, 28)


def test_squash_by_hand():
    assert torch.allclose(squash(torch.tensor([8.0, -3.0, 0.0])), torch.tensor([2.0, -1.0, 0.0]))


def test_a_little_training_lowers_the_loss_and_repeats():
    settings = PainterSettings(updates=25, sheets=4)
    patches = plain_patches(20, 0)
    first, losses = train_painter(patches, settings, seed=1)
    again, _ = train_painter(patches, settings, seed=1)
    assert len(losses) == 25
    assert losses[-1] < losses[0]
    assert torch.equal(first.windows(), again.windows())


def test_a_stopped_training_returns_what_was_learnt_and_says_so(monkeypatch, capsys):
    laid = []

    def stop_at_the_third(sheets, action):
        laid.append(action)
        if len(laid) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Sheets, "lay", stop_at_the_third)
    _, losses = train_painter(plain_patches(20, 0), PainterSettings(updates=9, sheets=2), seed=1)
    assert len(losses) == 2
    said = capsys.readouterr().out
    assert said.startswith("Stopped after 2 of 9 updates. Kept: what was learnt so far.\n")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stroke_at(BRUSH_ACTIONS, 28, 28), "number must be"),
        (lambda: PainterSettings(epsilon=2), "epsilon must be"),
        (
            lambda: Sheets(TARGET[:, :, :20], PainterSettings(sheets=2), torch.Generator()),
            "patches must be",
        ),
        (lambda: paint(brush_gains, TARGET[0, :, :, :26], ((4, 1),)), "target must be"),
        (lambda: paint(brush_gains, TARGET[0], ((1, 1),), ground=torch.ones(1)), "ground must be"),
        (lambda: plan(33, 32, 10), "height must be"),
        (
            lambda: list(render_steps(paint(brush_gains, smooth(), SHORT), stops=[3, 2])),
            "stops must be",
        ),
        (lambda: webp_film(Painting.start(smooth(), SHORT)), "strokes must be"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
