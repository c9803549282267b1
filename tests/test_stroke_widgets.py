"""Films of drawings, strips of frames, and the widget that shows them."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from dqngan_lib.applications.strokes.canvas import StrokeCanvas, pictures
from dqngan_lib.applications.strokes.drawing import canvases
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.applications.strokes.plots import draw_digits, draw_strips, film_frames
from dqngan_lib.applications.strokes.widgets import TEMPERATURES, PainterWidget


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StrokeNetwork(width=16)
        torch.nn.init.normal_(network.dense_head.weight)
    return network


def test_a_drawing_is_what_its_actions_lay_down(network):
    labels = torch.tensor([1, 2, 3])
    actions, steps = draw_digits(network, labels, seed=5)
    assert actions.shape == (3, 10)
    assert steps.shape == (3, 11, 784)
    assert torch.allclose(steps, canvases(actions), atol=1 / 500)
    again, _ = draw_digits(network, labels, seed=5)
    assert torch.equal(actions, again)
    other, _ = draw_digits(network, labels, seed=6)
    assert not torch.equal(actions, other)


def test_temperature_0_leaves_no_chance_and_the_class_counts(network):
    labels = torch.tensor([4, 4, 5])
    first, _ = draw_digits(network, labels, 0.0, seed=1)
    second, _ = draw_digits(network, labels, 0.0, seed=2)
    assert torch.equal(first, second)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_a_drawing_uses_what_the_world_shows(network):
    """The last canvas is what `generate` would return as a picture."""
    _, steps = draw_digits(network, torch.zeros(2, dtype=torch.long), 0.0)
    envs = StrokeCanvas(2)
    observation, _ = envs.reset(seed=9, options={"labels": torch.zeros(2, dtype=torch.long)})
    for _ in range(10):
        observation, _, _, _, info = envs.step(network(observation).argmax(1))
    assert torch.equal(steps[:, -1].reshape(-1, 1, 28, 28), pictures(info["final_obs"]))


def test_a_film_shows_dark_ink_on_white_paper_and_rests_at_the_end():
    steps = torch.zeros(3, 4, 784)
    steps[:, 1:] = 1.0
    frames = film_frames(steps, columns=3, scale=2)
    assert len(frames) == 1 + 4 + 6
    assert all(frame.dtype == np.uint8 and frame.shape == (64, 184) for frame in frames)
    assert frames[1][10, 10] == 255
    assert frames[2][10, 10] == 0
    assert all(np.array_equal(frames[k], frames[-1]) for k in (0, 4))


def test_a_strip_has_a_frame_for_each_step():
    figure = draw_strips(torch.rand(2, 11, 784), ["a 0", "a 1"], "From paper to digit", every=2)
    assert len(figure.axes) == 2 * 6
    assert figure.axes[0].get_ylabel() == "a 0"
    assert figure.axes[-1].get_xlabel() == "10"
    plt.close(figure)


def gif(widget):
    code = widget.picture.value.partition("base64,")[2].rstrip('">')
    return Image.open(io.BytesIO(base64.b64decode(code)))


def test_the_widget_draws_what_is_asked_for(network):
    widget = PainterWidget(network, count=3)
    assert gif(widget).format == "GIF"
    assert gif(widget).n_frames > 3
    assert "asked for: 3" in widget.text.value
    before = widget.picture.value
    widget.digit.value = 7
    assert "asked for: 7" in widget.text.value
    assert 'alt="3 drawings of the digit 7' in widget.picture.value
    assert widget.picture.value != before


def test_another_seed_matters_except_at_temperature_0(network):
    widget = PainterWidget(network, count=2)
    before = widget.picture.value
    widget.next_seed()
    assert widget.seed.value == 1
    assert widget.picture.value != before
    widget.temperature.value = TEMPERATURES[0]
    still = widget.picture.value
    widget.next_seed()
    assert widget.picture.value == still


def test_nobody_watching_gets_one_line(network, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    PainterWidget(network, count=1).show()
    assert "widget" in capsys.readouterr().out
