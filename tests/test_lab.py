"""`course.py lab`: what JupyterLab is told. What comes of it, tests/test_browser.py sees."""

import ast
import json
import sys
from pathlib import Path

from dqngan_lib.applications.art.photos import MOST_BYTES
from tools import lab


def test_a_layout_is_written_once_and_then_left_as_the_user_has_it(tmp_path):
    folder = tmp_path / "workspaces"
    lab.prepare_workspace(folder)
    file = folder / lab.WORKSPACE
    assert json.loads(file.read_text())["data"]["layout-restorer:data"] == lab.LAYOUT
    file.write_text("the user's own")
    lab.prepare_workspace(folder)
    assert file.read_text() == "the user's own"


def test_nothing_is_kept_in_the_users_folder_and_the_token_stays_on():
    options = dict(option.split("=", 1) for option in lab.options())
    assert options["--LabApp.default_url"] == "/lab/tree/notebooks/00_start_here.ipynb"
    assert Path(options["--LabApp.workspaces_dir"]) == lab.WORKSPACES
    assert not any("token" in option or "password" in option for option in options)


def test_settings_are_those_that_jupyterlab_knows():
    """A name that JupyterLab has changed would be passed over without a word."""
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    overrides = json.loads((lab.SETTINGS / "overrides.json").read_text())
    for plugin, settings in overrides.items():
        package, name = plugin.split(":")
        known = json.loads((schemas / package / f"{name}.json").read_text())["properties"]
        for setting, value in settings.items():
            allowed = [one["const"] for one in known[setting].get("oneOf", [])]
            assert value in (allowed or [True, False])


def test_every_photograph_that_is_opened_also_arrives():
    options = dict(option.split("=", 1) for option in lab.options())
    settings = ast.literal_eval(options["--ServerApp.tornado_settings"])
    assert settings["websocket_max_message_size"] > MOST_BYTES
