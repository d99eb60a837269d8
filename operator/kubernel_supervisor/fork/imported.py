"""What a process has read while it imported its modules, and whether a new process would still find the same.

It is part of the zygote's program. "Restart the kernel to use updated packages" must stay true.
"""

import os
import site
import sys
import time
from stat import S_ISDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: What names of variables begin with that act when a process starts, or that libraries read in C. Those that Python
#: code asks for at import are found out.
ACT_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "GLIBC_", "MALLOC_", "HOME", "PATH")
READ_BY_C = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "CUDA_", "NVIDIA_")
ASKED = set()  # type: set[object]  # names of the variables that were read at import
ANY = "*"  # all of them were, or may have been
#: They run before we can note what they read.
RUN_AT_START = ("sitecustomize", "usercustomize")
LIBRARIES = ("site-packages", "dist-packages")  # IPython has the working directory searched before the first of them
#: Of a folder where modules are looked for, what may change what is found, or what is known to be installed.
MODULES_END = (".py", ".pyc", ".so", ".pth", ".egg", ".egg-link", "-info")
#: Nothing has happened in a folder that has its times of before, if they were that old then: a file system's clock may
#: go in steps of two seconds.
STEP_NS = 2 * 10**9


class Asked(type(os.environ)):  # type: ignore[misc]
    """``os.environ`` while it notes which variables are read."""

    def __getitem__(self, name: "Any") -> "Any":
        ASKED.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> "Any":
        ASKED.add(ANY)
        return super().__iter__()


def stamp(path: str) -> "Any":
    """What differs when a file, or what a folder offers to import, has changed; None: there is nothing.

    Of a file not only its own time: conda and uv link files that are older than those that they replace.
    """
    try:
        found = os.stat(path)
        if not S_ISDIR(found.st_mode):
            return found.st_mtime_ns, found.st_ctime_ns, found.st_size
        return sorted(n for n in os.listdir(path) if n.endswith(MODULES_END) or ("." not in n and n != "__pycache__"))
    except OSError:
        return None


def stamps(paths: "Iterable[str]") -> "dict[str, Any]":
    """Of each of them."""
    return {path: stamp(path) for path in paths}


def times_of(path: str, now: "int | None" = None) -> "Any":
    """What differs when anything was made, replaced or deleted in a folder; None: it is none, or that cannot be told.

    ``now``, in nanoseconds: they are to be compared with later ones.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not S_ISDIR(found.st_mode) or (now is not None and found.st_ctime_ns > now - STEP_NS):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def folders() -> "list[str]":
    """Where modules are looked for, and would be if it were there."""
    return [path for path in (*sys.path, getattr(site, "USER_SITE", None)) if path]


def sources() -> "list[str]":
    """Files and folders that decide what a new process imports: packages, libraries, settings."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files += [sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")]
    for folder in folders():
        files += [os.path.join(folder, name) for name in stamp(folder) or () if str(name).endswith(".pth")]
    return [*filter(None, files), *folders(), *mapped(), *settings_of_matplotlib()]


def mapped() -> "list[str]":
    """Shared libraries and other files in our memory."""
    try:
        with open("/proc/self/maps", "rb") as file:
            found = {line.rstrip(b"\n").partition(b"/")[2] for line in file}
    except OSError:
        return []  # a sandbox without it
    return [os.fsdecode(b"/" + path) for path in found if path]


def settings_of_matplotlib() -> "list[str]":
    """Files that it reads when it is imported, and those that it would read in their place."""
    matplotlib = sys.modules.get("matplotlib")  # type: Any
    if matplotlib is None:
        return []
    try:
        own = matplotlib.get_configdir()
        found = [matplotlib.matplotlib_fname(), os.path.join(own, "matplotlibrc"), os.path.join(own, "stylelib")]
    except Exception:
        return ["matplotlibrc"]
    return ["matplotlibrc", *found]  # the first one in whatever the working directory is


def settings_of(app: "Any") -> "list[str]":
    """Files in which an application of IPython looks for its settings when it is initialised."""
    names = {os.path.splitext(name)[0] for name in ("ipython_config.py", *app.config_files)}
    files = [name + end for name in sorted(names) for end in (".py", ".json")]
    return [*app.loaded_config_files, *(os.path.join(path, f) for path in app.config_file_paths for f in files)]


def names_of_modules() -> "set[str]":
    """Names of modules that are imported, without those of the packages' own."""
    return {name.partition(".")[0] for name in sys.modules}


def hidden_by(folder: str, before: "set[str]") -> str:
    """A file that hides a module from a new process's user; "" when there is none.

    Args:
        folder: the working directory.
        before: names of modules that are imported before IPython has the working directory searched.
    """
    after = names_of_modules() - before
    everywhere = not {os.path.basename(path) for path in sys.path} & {*LIBRARIES}
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    for name in sorted(names):
        module = name.partition(".")[0]
        if module not in after or not (everywhere or is_of_a_library(sys.modules[module])):
            continue
        if name.endswith((".py", ".pyc", ".so")) or os.path.exists(os.path.join(folder, name, "__init__.py")):
            return name
    return ""


def is_of_a_library(module: "Any") -> bool:
    """Whether a module lies where packages are installed, and not in the standard library."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(part in LIBRARIES for place in places if place for part in place.split(os.sep))


def reads_environment(module: "Any") -> bool:
    """Whether a module that may be None looks as if it did: its text says so, or cannot be read."""
    try:
        with open(module.__file__, "rb") as file:
            return b"env" in file.read()
    except (OSError, TypeError):
        return True
    except AttributeError:  # there is none
        return False


class Imported:
    """What has been read until now.

    Args:
        before: names of modules that are imported before IPython has the working directory searched.
    """

    def __init__(self, before: "set[str]") -> None:
        self.before = before
        self.stamps = {}  # type: dict[str, Any]
        self._times = {}  # type: dict[str, Any]  # of folders: to list all takes longer than to look at each file
        self.note(sources())
        for name in RUN_AT_START:
            if reads_environment(sys.modules.get(name)):
                ASKED.add(ANY)

    def note(self, paths: "Iterable[str]") -> None:
        """More was read. What has been noted of a path stands."""
        new, now = [path for path in paths if path not in self.stamps], int(time.time() * 1e9)
        self._times.update({path: times_of(path, now) for path in new})  # before they are listed
        self.stamps.update(stamps(new))

    def _has_changed(self, path: str) -> bool:
        times = self._times[path]
        if times is not None and times_of(path) == times:
            return False
        return bool(stamp(path) != self.stamps[path])

    def objection(self, changes: "dict[str, str | None]") -> str:
        """Why a kernel with these changes of the environment must be a new process; "" when it may be forked."""
        acting = [name for name in changes if {name, ANY} & ASKED or name.startswith(ACT_AT_START + READ_BY_C)]
        if acting:
            return f"{acting[0]} acts when a process starts or imports its modules"
        changed = next(filter(self._has_changed, self.stamps), None)
        if changed is not None:
            return f"files of imported modules have changed, such as {changed}"
        hiding = hidden_by(".", self.before)
        return hiding and f"{hiding} in the working directory hides an imported module"
