"""After a restart a kernel knows what has changed since the process was started that it is forked from."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from fixtures.ipykernels import IPYKERNEL, bind, client_of, restart, restart_anew, run, zygote_of
from fixtures.supervisors import Operator, Supervise

NEW_PROCESS = "kubernel: a restart starts a new process instead of forking one: "


def wheel(folder: Path, version: str) -> Path:
    """A distribution of one package, ``wares``."""
    info, path = f"wares-{version}.dist-info", folder / f"wares-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("wares/__init__.py", f"VERSION = '{version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: wares\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def test_restart_the_kernel_to_use_updated_packages(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    """What pip and its users say everywhere, with an imported package that pip has upgraded."""
    library = tmp_path / "packages"
    library.mkdir()
    install = f"%pip install -q --no-index --no-deps --disable-pip-version-check --upgrade --target {library}"
    container = supervise(IPYKERNEL, operator=operator, preload="wares", env={"PYTHONPATH": str(library)})
    operator.wait("running", generation=0)
    code = "import wares, importlib.metadata; print(wares.VERSION, importlib.metadata.version('wares'))"
    with client_of(container) as client:
        zygote_of(container)
        run(client, f"{install} {wheel(tmp_path, '1.0')}")
        restart_anew(container, client)
        assert run(client, code) == "1.0 1.0\n"
        restart(container, client)
        assert run(client, code) == "1.0 1.0\n"
        run(client, f"{install} {wheel(tmp_path, '2.0')}")
        restart_anew(container, client)
        assert run(client, code) == "2.0 2.0\n"
        restart(container, client)
        assert run(client, code) == "2.0 2.0\n"
    container.wait_for_output(f"{NEW_PROCESS}files of imported modules have changed, such as {library}")


def test_a_preloaded_module_that_was_edited(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    module = tmp_path / "preloaded.py"
    module.write_text("WORD = 'old'\n")
    container = supervise(IPYKERNEL, operator=operator, preload="preloaded", env={"PYTHONPATH": str(tmp_path)})
    operator.wait("running", generation=0)
    with client_of(container) as client:
        restart(container, client)
        module.write_text("WORD = 'new, and longer'\n")
        os.utime(module, (2e9, 2e9))
        restart_anew(container, client)
        assert run(client, "import preloaded; print(preloaded.WORD)") == "new, and longer\n"


@pytest.mark.parametrize("is_there", ["before", "later"])
def test_a_file_of_the_notebooks_folder_that_hides_a_preloaded_module(
    supervise: Supervise, operator: Operator, is_there: str, tmp_path: Path
) -> None:
    """ipykernel looks for modules there before it looks into site-packages."""
    (tmp_path / "make.sh").write_text('[ "$1" = before ] && echo "WORD = \'mine\'" > cycler.py; shift; exec "$@"')
    container = supervise(
        IPYKERNEL, operator=operator, preload="cycler", prefix=("sh", str(tmp_path / "make.sh"), is_there)
    )
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        (container.folder / "cycler.py").write_text("WORD = 'mine'\n")
        restart_anew(container, client)
        assert run(client, "import cycler; print(cycler.WORD)") == "mine\n"
    container.wait_for_output(f"{NEW_PROCESS}cycler.py in the working directory hides an imported module\n")


def test_files_of_the_notebooks_folder_that_have_names_of_pythons_own_modules(
    supervise: Supervise, operator: Operator
) -> None:
    """A forked kernel imports them no more than a new one, and nobody executes them unasked."""
    container = supervise(IPYKERNEL, operator=operator)
    for name in ("json", "socket", "code", "pdb"):
        (container.folder / f"{name}.py").write_text("open('executed', 'w'); raise SystemExit\n")
    operator.wait("running", generation=0)
    with client_of(container) as client:
        restart(container, client)
        assert run(client, "import json, pdb; print(json.loads('[1]'))") == "[1]\n"
    assert not (container.folder / "executed").exists()


def test_settings_of_ipython_and_startup_files(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    profile = tmp_path / "profile_default"
    (profile / "startup").mkdir(parents=True)
    container = supervise(IPYKERNEL, operator=operator, env={"IPYTHONDIR": str(tmp_path)})
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        for number in (1, 22):
            (profile / "ipython_config.py").write_text(f"c.InteractiveShellApp.exec_lines = ['line = {number}']\n")
            (profile / "startup" / "00-first.py").write_text(f"startup = {number}\n")
            restart(container, client)
            assert run(client, "print(line, startup)") == f"{number} {number}\n"


def test_settings_of_ipython_that_were_changed_before_a_claim(
    supervise: Supervise, operator: Operator, tmp_path: Path
) -> None:
    """A pool's spare kernel has read them; a volume may have others by now."""
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['line = 1']\n")
    member = supervise(IPYKERNEL, operator=operator, key=None, member=1, env={"IPYTHONDIR": str(tmp_path)})
    operator.wait("waiting", claim="")
    (profile / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['line = 22']\n")
    assert bind(member, env={"NAME": "ada"})["state"] == "starting"
    operator.wait("running", generation=0)
    with client_of(member) as client:
        assert run(client, "print(line)") == "22\n"
    member.wait_for_output("have changed, such as " + str(profile / "ipython_config.py"))


def test_settings_of_matplotlib_in_the_notebooks_folder(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator, preload="matplotlib")
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        (container.folder / "matplotlibrc").write_text("figure.dpi: 42\n")
        restart_anew(container, client)
        assert run(client, "import matplotlib; print(matplotlib.rcParams['figure.dpi'])") == "42.0\n"


def test_what_sitecustomize_makes_of_a_variable(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nsys.seen = os.environ.get('JPY_SESSION_NAME')\n")
    container = supervise(IPYKERNEL, operator=operator, env={"PYTHONPATH": str(tmp_path)})
    operator.wait("running", generation=0)
    with client_of(container) as client:
        restart(container, client)
        restart_anew(container, client, env={"JPY_SESSION_NAME": "b.ipynb"})
        assert run(client, "import sys; print(sys.seen)") == "b.ipynb\n"


def test_packages_that_are_installed_while_they_are_imported(
    supervise: Supervise, operator: Operator, tmp_path: Path
) -> None:
    """Half of them may be the old ones. The next attempt has the new ones."""
    (tmp_path / "preloaded.py").write_text(
        f"import os\nif not os.path.exists('{tmp_path}/wares'):\n    os.mkdir('{tmp_path}/wares')\n"
    )
    container = supervise(IPYKERNEL, operator=operator, preload="preloaded", env={"PYTHONPATH": str(tmp_path)})
    operator.wait("running", generation=0)
    container.wait_for_output(f"{NEW_PROCESS}packages were installed while they were imported\n")
    with client_of(container) as client:
        restart(container, client, forked=False)
        restart(container, client)
