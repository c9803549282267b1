"""The one command of the course: `python3 course.py lab` opens it, `python3 course.py` explains.

Standard library only. It makes the environment `.venv` beside itself once and then hands over to
JupyterLab or to a module of `tools/`, run by the Python of that environment.
Keep the syntax at Python 3.6: an old Python must get as far as the message that it is too old.
"""

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# What is installed in .venv, and where. Its "requirements" are filled in when all is installed.
STAMP = VENV / "course-stamp.json"
REQUIREMENTS = (
    ROOT / "requirements.txt",
    ROOT / "requirements-cuda.txt",
    ROOT / "pyproject.toml",
)

# On Linux the package registry's build of torch brings CUDA, 4.5 GB that only an NVIDIA card uses.
# PyTorch's own server has a build without; COURSE_TORCH_SERVER names another that has the same.
TORCH_SERVER = "https://download.pytorch.org/whl/cpu"
# What stands where an NVIDIA driver is loaded; the last one in Windows' Linux.
DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")

HELP = """\
A course in notebooks: Deep Q-Networks, GANs, and a GAN whose generator is a Deep Q-Network.

  python3 course.py lab            open the course in JupyterLab, in your browser
  python3 course.py test           check that everything works: code, unit tests, all notebooks

Start with the first. The first run of any command installs what the course needs
(1.5 GB; on Linux with an NVIDIA card 6 GB) into the folder .venv; later runs start at once.
On Windows, write `py course.py` for `python3 course.py`.

  lab [--no-browser] [...]         more options go to JupyterLab; --no-browser prints the address
  test [--fast] [02 ...]           --fast leaves out what is slow; 02 tests notebook 02 alone
  fresh 04 [...] | all             put your copy of notebook 04 aside, and begin again

Any of them takes --cpu or --gpu on Linux: PyTorch without CUDA, or with it.

For those who change the course:

  run 02 [...]                     run notebook 02 and show progress; the file stays as it is
  build 02 [...]                   run it, store the outputs in the file, check its form
  study 02 [...] --seeds 5         run it with seeds 0 to 4 and collect what its claims measured
  site [--pdf]                     make web pages of the notebooks as they are stored (docs/web.md)

For those who teach with it (docs/teaching.md, docs/grading.md):

  solutions [02 ...]               write copies with the exercises solved into the folder solutions
  grade [--out grades.csv] FOLDER  say which exercises are right in the notebooks handed in
  colab 02 [...] | all             write notebooks with everything inside into the folder colab

A notebook is named by its number (02 or 2), its name (02_dqn) or its path.
`python3 course.py test --help` tells more; so do the others.
"""

COMMANDS = {
    "lab": ("tools.lab",),
    "test": ("tools.test",),
    "run": ("tools.run",),
    "build": ("tools.build",),
    "fresh": ("tools.fresh",),
    "study": ("tools.study",),
    "solutions": ("tools.solutions",),
    "grade": ("tools.grading.command",),
    "colab": ("tools.colab",),
    "site": ("tools.site.command",),
}
# Their folders need not exist yet, so they are told where their paths begin.
WITH_FOLDERS = ("solutions", "grade", "colab", "site")

# What others keep in the user's own folder: the variable that names the place, and one in .venv.
KEPT_AT_HOME = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "cache",
}

# What pip and the operating systems say, in lower case, and what it means. The first match counts.
DISK_FULL = ("no space left on device", "not enough space on the disk", "disk quota exceeded")
CERTIFICATE = ("certificate_verify_failed", "certificate verify failed", "sslerror")
NO_NETWORK = (
    "failed to establish a new connection",
    "name resolution",
    "name or service not known",
    "getaddrinfo failed",
    "network is unreachable",
    "connection refused",
    "connection reset",
    "proxyerror",
    "timed out",
    "timeouterror",
)
NO_BUILD = ("could not find a version that satisfies", "no matching distribution found")
NO_PERMISSION = ("permission denied", "read-only file system", "access is denied")


def main(arguments: "list[str]") -> int:
    """Run one command and return its exit status.

    Args:
        arguments: What was written after `course.py`.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    command, rest = arguments[0], [a for a in arguments[1:] if a not in ("--cpu", "--gpu")]
    asked = [a[2:] for a in arguments[1:] if a in ("--cpu", "--gpu")]
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"course.py does not know '{command}'. It knows: {known}.", file=sys.stderr)
        return 2
    check_python()
    for stream in (sys.stdout, sys.stderr):  # a path may hold letters that the console lacks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        ensure_environment(asked[-1] if asked else None)
    except KeyboardInterrupt:
        raise SystemExit(
            "\nInterrupted. Nothing is lost: the same command starts the installation again, "
            "with the downloads that pip has kept."
        ) from None
    except OSError as error:
        raise SystemExit(explain(str(error))) from error
    # A path means what it means in the folder where it was typed; the tools run in the course's.
    rest = [os.path.abspath(a) if a.endswith(".ipynb") else a for a in rest]
    if command in WITH_FOLDERS:
        rest = ["--from", os.getcwd(), *rest]
    return hand_over(COMMANDS[command] + tuple(rest))


def check_python() -> None:
    """Stop when this Python is too old for the course; note when it is newer than tested."""
    version = "{}.{}".format(*sys.version_info[:2])
    if sys.version_info < (3, 11):
        raise SystemExit(
            f"The course needs Python 3.11, 3.12 or 3.13; {sys.executable} is Python {version}.\n"
            "Install a newer one beside it from your system's packages or from python.org,\n"
            "then name it, for example: python3.12 course.py lab"
        )
    if sys.version_info >= (3, 14):
        print(f"Note: the course is tested on Python 3.11 to 3.13, not on {version}. Going on.")


def ensure_environment(asked: "str | None" = None) -> None:
    """Make or mend `.venv` so that it holds exactly what `requirements.txt` says; else return.

    Args:
        asked: "cpu" or "gpu", where the user wants one build of torch. Else an environment keeps
            the build that it has, and a new one gets what this computer can use.
    """
    if not all(path.is_file() for path in REQUIREMENTS):
        raise SystemExit(
            f"requirements.txt or pyproject.toml is missing beside course.py ({ROOT}).\n"
            "course.py works inside the course's folder: get the whole folder."
        )
    stamp = read_stamp()
    if asked and not sys.platform.startswith("linux"):
        print("--cpu and --gpu choose between two builds of torch for Linux. Going on without.")
        asked = None
    if stamp and stamp["build"] == "gpu" and asked == "cpu" and not has_cpu_builds():
        print(f"{torch_server()} does not answer, so torch stays as it is.")
        asked = None
    build = asked or (stamp or {}).get("build") or ("gpu" if uses_cuda() else "cpu")
    installed = dict(stamp or {}, python=environment_python()) if VENV.exists() else None
    wanted = {
        "folder": str(ROOT),
        "python": (stamp or {}).get("python"),
        "requirements": digest(),
        "build": build,
    }
    if stamp and installed == wanted:
        return
    reason = None
    if installed is None:
        print(f"First start: making the environment .venv in {ROOT}")
    elif installed["python"] is None:
        reason = "its Python does not run (any more)"
    elif stamp is None:
        print("Found an environment .venv that course.py did not make: checking what is in it.")
    elif stamp["folder"] != str(ROOT):
        reason = "it was made in {}, and environments cannot move".format(stamp["folder"])
    elif stamp["requirements"] is None:
        reason = "its installation was not finished"
    elif installed["python"] != stamp["python"]:
        reason = "Python changed from {} to {}".format(stamp["python"], installed["python"])
    elif stamp["build"] != build:
        reason = f"--{build} asks for the other build of torch"
    else:
        print("The requirements have changed: bringing .venv up to date.")
    if reason:
        print(f"Making the environment .venv again: {reason}.")
    updating = not reason and stamp is not None
    if updating:
        # From here to the end an interruption leaves it half changed, so the next run starts anew.
        write_stamp(None, build)
    elif installed is None or reason:
        create_environment(build)
    else:
        run([str(PYTHON), "-m", "ensurepip"])  # uv makes environments without pip
    try:
        build = install(build)
    except SystemExit:
        if updating:  # pip takes back what it cannot finish, so what was there still works
            write_stamp(stamp["requirements"], stamp["build"])
        raise
    write_stamp(digest(), build)
    print("The environment is ready.\n")


def read_stamp() -> "dict | None":
    """Return what the stamp says, or None where there is none that can be read."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        found = {key: stamp[key] for key in ("folder", "python", "requirements")}
        return dict(found, build=stamp.get("build", "gpu"))  # once there was no other
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_stamp(requirements: "str | None", build: str) -> None:
    """Record what `.venv` holds; None for the requirements says that it is not finished."""
    stamp = {
        "folder": str(ROOT),
        "python": environment_python(),
        "requirements": requirements,
        "build": build,
    }
    STAMP.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def digest() -> str:
    """Return a hash of the files that say what to install."""
    content = b"\0".join(path.read_bytes().replace(b"\r\n", b"\n") for path in REQUIREMENTS)
    return hashlib.sha256(content).hexdigest()


def environment_python() -> "str | None":
    """Ask the Python of `.venv` for its version: "3.12", or None when it does not run.

    Asking takes 20 ms and sees what no file tells: that the Python it was made from is gone.
    """
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [str(PYTHON), "-I", "-S", "-c", code], capture_output=True, text=True
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def create_environment(build: str) -> None:
    """Make an empty `.venv`, in place of whatever is there, that is to get one build of torch."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        raise SystemExit(
            "This is the Python of .venv itself, which cannot replace itself.\n"
            "Run `deactivate`, or name another Python, and try again."
        )
    # Debian and Ubuntu split these off the standard library.
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SystemExit(
            "This Python cannot make environments: its module venv or ensurepip is missing.\n"
            "On Debian or Ubuntu: sudo apt install python{}.{}-venv\n"
            "Then run the same command again.".format(*sys.version_info[:2])
        )
    if VENV.exists():
        shutil.rmtree(str(VENV))
    VENV.mkdir()
    write_stamp(None, build)
    run([sys.executable, "-m", "venv", str(VENV)])
    write_stamp(None, build)


def uses_cuda() -> bool:
    """Tell whether torch comes as the registry has it: not on a Linux without an NVIDIA driver."""
    return not sys.platform.startswith("linux") or any(map(os.path.exists, DRIVER))


def torch_server() -> str:
    """Return the address of the server for builds of torch without CUDA."""
    return os.environ.get("COURSE_TORCH_SERVER", TORCH_SERVER)


def cpu_builds() -> "list[str]":
    """Return what to ask that server for: the pinned versions, marked as built for the CPU.

    The mark matters. Without it pip would also take another build, from another place that it
    has been told of, and CUDA would come by another way.
    """
    pins = REQUIREMENTS[0].read_text(encoding="utf-8").splitlines()
    names = ("torch==", "torchvision==")
    return [pin.split(";")[0].strip() + "+cpu" for pin in pins if pin.startswith(names)]


def has_cpu_builds() -> bool:
    """Ask the server for builds without CUDA whether it has ours; a few seconds must do."""
    ask = [str(PYTHON), "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--no-input"]
    ask += ["--disable-pip-version-check", "--ignore-installed", "--timeout=5", "--retries=0"]
    answer = subprocess.run(
        [*ask, "--index-url", torch_server(), *cpu_builds()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return answer.returncode == 0


def install(build: str) -> str:
    """Install the pinned requirements, then the course's own package where it lies.

    Args:
        build: "cpu" for torch without CUDA, where that is to be had; else "gpu".

    Returns:
        The build that was installed.
    """
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if build == "cpu" and not has_cpu_builds():
        print(
            f"{torch_server()} does not answer, so torch comes with CUDA, which will lie idle.\n"
            "If another server near you has the same builds, name it in COURSE_TORCH_SERVER."
        )
        build = "gpu"
    if build == "cpu":
        print("Installing torch without CUDA, as no NVIDIA driver is here or --cpu was asked for.")
        run([*pip, "--no-deps", "--index-url", torch_server(), *cpu_builds()])
    size = "6 GB" if build == "gpu" and sys.platform.startswith("linux") else "1.5 GB"
    print(f"Installing requirements.txt; in the end .venv takes about {size}. (1/2)")
    run([*pip, "-r", str(REQUIREMENTS[0])])
    print("Installing dqngan_lib, the package of the course. (2/2)")
    # No build isolation: setuptools is among the pinned requirements, so nothing else is fetched.
    run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    return build


def run(command: "list[str]") -> None:
    """Run a command, show what it prints, and stop with a plain message when it fails."""
    # Only stderr goes through here: with stdout left alone, pip draws its progress bars.
    process = subprocess.Popen(
        command, cwd=str(ROOT), stderr=subprocess.PIPE, text=True, errors="replace"
    )
    complaints = []
    try:
        for line in process.stderr:
            sys.stderr.write(line)
            complaints.append(line)
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C has reached it too; let it tidy up
        raise
    if process.wait() != 0:
        raise SystemExit(explain("".join(complaints)))


def explain(complaints: str) -> str:
    """Say in plain words why the installation failed.

    Args:
        complaints: What the failed command wrote to stderr, or an error of the operating system.
    """
    text = complaints.lower()

    def said(phrases: "tuple[str, ...]") -> bool:
        return any(phrase in text for phrase in phrases)

    again = "Then run the same command again: it repairs what is half done."
    if said(DISK_FULL) or os.strerror(errno.ENOSPC).lower() in text:
        why = (
            f"The disk is full. The course needs 1.5 GB, with CUDA 6 GB, in {ROOT}\n"
            "and, while it installs, some in the folder for temporary files. Make room."
        )
    elif said(CERTIFICATE):
        why = (
            "The package server's certificate was not accepted. Behind a company's or school's\n"
            "proxy, ask for its certificate file and set PIP_CERT to the path of that file."
        )
    elif said(NO_NETWORK):
        why = (
            "The package server cannot be reached. The first start needs the internet; later ones\n"
            "do not. Check the connection; behind a proxy, set HTTPS_PROXY=http://host:port.\n"
            "Where a mirror is nearer, set PIP_INDEX_URL to its address (docs/installing.md)."
        )
    elif said(NO_BUILD):
        why = (
            "A package that the course needs does not exist for this computer (64-bit Python 3.11\n"
            "to 3.13 on Linux, Windows or an Apple-silicon Mac will do), or the package server\n"
            "could not be reached. The line with ERROR above names the package."
        )
    elif said(NO_PERMISSION):
        why = (
            f"No permission to write in {ROOT}.\n"
            "Copy the course to a folder of your own. On Windows, also close what uses it:\n"
            "JupyterLab above all."
        )
    else:
        why = "The installation failed. The last lines above say why. Mend that if you can."
        if complaints.strip():
            why += "\nThe last one: " + complaints.strip().splitlines()[-1].strip()
    return f"\n{why}\n{again}"


def hand_over(module_and_arguments: "tuple[str, ...]") -> int:
    """Run a module with the environment's Python, in the course's folder.

    Args:
        module_and_arguments: As after `python -m`.

    Returns:
        The exit status, where the system cannot put the new program in the place of this one.
    """
    paths = [str(PYTHON.parent), os.environ.get("PATH", "")]
    environment = dict(surroundings(), VIRTUAL_ENV=str(VENV), PATH=os.pathsep.join(paths))
    environment.pop("PYTHONHOME", None)
    os.chdir(str(ROOT))
    sys.stdout.flush()
    command = [str(PYTHON), "-m", *list(module_and_arguments)]
    if os.name == "posix":
        os.execve(command[0], command, environment)
    # Windows cannot replace a program: wait for it, and leave Ctrl-C to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, env=environment)


def surroundings() -> "dict[str, str]":
    """Return this process's variables, changed so that the tools can write text and files.

    Where the user's own folder cannot be written, what others keep there goes into `.venv`,
    unless the user has said where.
    """
    environment = dict(os.environ)
    # Files and consoles of Windows are not UTF-8 unless told so, and the notebooks are.
    environment["PYTHONUTF8"] = "1"
    environment.pop("PYTHONIOENCODING", None)  # it would count more
    if not os.access(os.path.expanduser("~"), os.W_OK | os.X_OK) and os.access(str(VENV), os.W_OK):
        for name, folder in KEPT_AT_HOME.items():
            environment.setdefault(name, str(VENV / "home" / folder))
            os.makedirs(environment[name], exist_ok=True)
    return environment


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
