"""`course.py lab`: JupyterLab as the course wants it, whatever the user's own looks like.

News and notices of updates are off, the table of contents stands open, lines have a readable
length. `tools/jupyterlab/` has the settings; what JupyterLab changes itself is kept in the course's
environment. Nothing is written in the user's own folder, and the user's own settings still count.
"""

import json
import os
import sys
from pathlib import Path

from tools.notebooks import ROOT
from tools.start import start

SETTINGS = ROOT / "tools" / "jupyterlab"
WORKSPACES = Path(
    os.environ.get("JUPYTERLAB_WORKSPACES_DIR")
    or Path(sys.prefix) / "share" / "jupyter" / "course-workspaces"
)
WORKSPACE = "default-37a8.jupyterlab-workspace"
"""The name that JupyterLab gives to the file of its first workspace."""
# By its address, not by its path: given a path, Jupyter would show that folder alone.
FIRST_PAGE = "/lab/tree/notebooks/00_start_here.ipynb"
# A file uploaded to a widget comes as one message, and a larger one is dropped without a word.
# JupyterLab's own limit is 10 MB, and phones make larger photographs.
UPLOAD_MB = 64
CONTENTS = "@jupyterlab/toc:plugin"
LAYOUT = {
    "left": {
        "collapsed": False,
        "visible": True,
        "current": CONTENTS,
        "widgets": ["filebrowser", "running-sessions", CONTENTS, "extensionmanager.main-view"],
    },
    "relativeSizes": [0.2, 0.8, 0],
}
"""How the window is divided at the first start; later it is as it was left."""


def options() -> list[str]:
    """Return the options with which JupyterLab is started; those of the user come after them."""
    return [
        # Jupyter's address is shown at any level; its long list of loaded extensions is not.
        "--log-level=WARN",
        f"--LabApp.default_url={FIRST_PAGE}",
        f"--LabApp.app_settings_dir={SETTINGS}",
        f"--LabApp.workspaces_dir={WORKSPACES}",
        "--LabApp.custom_css=True",
        f"--ServerApp.static_custom_path={SETTINGS / 'custom'}",
        f"--ServerApp.tornado_settings={{'websocket_max_message_size': {UPLOAD_MB * 2**20}}}",
    ]


def prepare_workspace(folder: Path) -> None:
    """Write the first layout of the window, where there is none yet."""
    file = folder / WORKSPACE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = {"layout-restorer:data": LAYOUT}
        file.write_text(json.dumps({"data": data, "metadata": {"id": "default"}}), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Start JupyterLab; it ends when it is interrupted."""
    from jupyter_server.serverapp import ServerApp
    from jupyterlab.labapp import main as lab

    # Where JupyterLab looks for custom.css cannot be set by an option, unless it is made one.
    ServerApp.static_custom_path.tag(config=True)
    prepare_workspace(WORKSPACES)
    os.environ["COURSE_UPLOAD"] = str(UPLOAD_MB)  # the notebooks say how large a file may be
    lab([*options(), *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    start(main)
