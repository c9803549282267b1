"""The widgets without a browser: their callbacks run and say what is true."""

import re

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch

from dqngan_lib.environments import grid_plots, tabular, widgets
from dqngan_lib.environments.grid_world import GridWorld


@pytest.fixture
def stepper():
    return widgets.BackupStepper(GridWorld(), 0.9, sweeps=3)


def buttons(stepper):
    bar = stepper.widget.children[0]
    return {b.description: b for b in bar.children if isinstance(b, ipywidgets.Button)}


def test_the_buttons_move_the_number_and_stop_at_its_ends(stepper):
    press = {name: button.click for name, button in buttons(stepper).items()}
    press["next backup"]()
    assert stepper.backups.value == 1
    press["next sweep"]()
    assert stepper.backups.value == 10
    for _ in range(5):
        press["next sweep"]()
    assert stepper.backups.value == stepper.backups.max == 27
    press["start again"]()
    assert stepper.backups.value == 0


def test_picture_and_text_follow_the_number(stepper):
    at_first = stepper.picture.value
    assert 'alt="' in at_first and "Every value starts at 0" in at_first
    stepper.backups.value = 12
    assert stepper.picture.value != at_first
    assert "cell 2" in stepper.picture.value
    assert not plt.get_fignums()


def test_each_sum_in_the_text_is_right(stepper):
    exact = tabular.bellman_backup(stepper.tables[1], *stepper.model, 0.9)
    for cell in stepper.cells:
        lines = stepper.sums(1, cell).replace("−", "-").splitlines()[1:]
        assert len(lines) == 4
        for action, line in enumerate(lines):
            shown = float(re.search(r"\) = (-?[\d.]+)", line)[1])
            assert shown == pytest.approx(exact[cell, action].item(), abs=6e-4)
            reward, discount, terms = re.search(
                r"(-?[\d.]+) \+ ([\d.]+) × \((.*)\) =", line
            ).groups()
            follows = sum(float(p) * float(v) for p, v in re.findall(r"([\d.]+)·(-?[\d.]+)", terms))
            assert float(reward) + float(discount) * follows == pytest.approx(shown, abs=2e-3)
        marked = [action for action, line in enumerate(lines) if "greatest" in line]
        assert marked == [exact[cell].argmax().item()]


def test_a_widget_shows_itself_to_people_only(stepper, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("dqngan_lib.course.widgets.display", shown.append)
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    stepper.show()
    assert not shown and "JupyterLab or Colab" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    stepper.show()
    assert shown == [stepper.widget]


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"sweeps.*0"):
        widgets.BackupStepper(GridWorld(), 0.9, sweeps=0)
    with pytest.raises(ValueError, match=r"discount.*2"):
        widgets.BackupStepper(GridWorld(), 2)


def test_every_number_of_a_table_is_on_its_picture():
    world = GridWorld()
    q_table, _ = tabular.value_iteration(*world.model(), 0.9)
    figure, axes = plt.subplots()
    grid_plots.draw_table(axes, world, q_table)
    written = [text.get_text().replace("−", "-") for text in axes.texts]
    numbers = sorted(float(text) for text in written if re.fullmatch(r"-?\d\.\d\d", text))
    expected = sorted(round(q, 2) for q in q_table[world.acting].flatten().tolist())
    assert numbers == pytest.approx(expected, abs=0.011)
    plt.close(figure)


def test_arrows_point_where_the_policy_goes():
    world = GridWorld(layout=("S.G",))
    figure, axes = plt.subplots()
    grid_plots.draw_world(axes, world)
    grid_plots.draw_arrows(axes, world, torch.tensor([1, 0, 0]))
    tips = [text.xy for text in axes.texts if hasattr(text, "arrow_patch") and text.arrow_patch]
    assert tips == [(0.3, 0.0), (1.0, -0.3)]
    assert axes.yaxis_inverted()
    plt.close(figure)
