"""Put the course's first code cell into notebooks: `python firstcell.py notebooks/*.ipynb`.

Only the source of that cell changes; outputs, counts, ids and the rest of the file stay byte for byte.
Runs again without harm. A notebook whose first code cell is another is named and left alone.
"""
import json
import sys
from pathlib import Path

FIRST = '''\
# Finds the course's package and data. It installs nothing, and there is nothing to change here.
import os
import shutil
import subprocess
import sys
from importlib import import_module, util
from pathlib import Path

url = os.environ.get("COURSE_URL", "")
fetched = Path.cwd() / "dqngan-course"
found = [p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir()]
if not found and (installed := util.find_spec("dqngan_lib")):
    found = [Path(installed.origin).parents[1]]
if not found and url and not fetched.is_dir():
    subprocess.run(["git", "clone", "--depth=1", url, str(fetched)], check=True)
elif not found and "google.colab" in sys.modules and not any(fetched.glob("**/dqngan_lib")):
    for name in import_module("google.colab.files").upload():  # the course as a zip file
        shutil.unpack_archive(name, fetched)
found += [p.parent for p in sorted(fetched.glob("**/dqngan_lib"))]
if not found:
    raise FileNotFoundError("dqngan_lib is not here: see “On Colab” in the course's README")
folder = found[0]
sys.path.insert(0, str(folder))
# os.environ["COURSE_CHECKPOINTS"] = "/content/drive/MyDrive/dqngan"  # for long runs: see README
'''.rstrip()

bad = 0
for name in sys.argv[1:]:
    path = Path(name)
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    cell = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    source = "".join(cell["source"])
    if "dqngan_lib" not in source or "sys.path.insert" not in source:
        print("left alone, its first code cell is another:", name)
        bad = 1
        continue
    if source == FIRST:
        print("as it should be:", name)
        continue
    cell["source"] = FIRST.splitlines(keepends=True)
    new = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    same = json.dumps(json.loads(text), ensure_ascii=False, indent=1, sort_keys=False) + "\n"
    if same != text:
        print("note: the file was not as nbformat writes it:", name)
    path.write_text(new, encoding="utf-8", newline="\n")
    print("changed:", name)
sys.exit(bad)
