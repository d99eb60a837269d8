"""Finds the programs of the clusters, or builds them from Go modules, once per version.

A stamp file per build says what the programs beside it were made from, so that a second run only reads a few bytes.
With an empty Go cache on 2 cores: Kubernetes 7 minutes, the others half a minute to two minutes each.
"""

import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run
from cluster.errors import ClusterError
from cluster.layout import Layout, search_path
from cluster.progress import step
from cluster.versions import CRICTL, GO_TOOLS, KUBERNETES, KUBERNETES_PROGRAMS, GoTool

GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
STAMPS = ".stamps"


@dataclass(frozen=True)
class Build:
    """One build: what it is made from, what it yields and how to run it in an empty folder."""

    name: str
    source: str
    programs: tuple[str, ...]
    make: Callable[[Path], None]


def builds() -> tuple[Build, ...]:
    """Returns every build this project knows, in the order of need."""
    return (
        _kubernetes_build("kubernetes", KUBERNETES_PROGRAMS),
        _kubernetes_build("kubectl", ("kubectl",)),
        _kubernetes_build("kubeadm", ("kubeadm",)),
        *(_tool_build(tool) for tool in (*GO_TOOLS, CRICTL)),
    )


def ensure(folder: Path, names: Sequence[str]) -> None:
    """Builds what the stamps do not vouch for.

    Args:
        folder: where the programs go.
        names: names of builds.
    """
    for build in builds():
        if build.name in names and not is_built(folder, build):
            with step(f"building {build.name} {build.source.rpartition('@')[2]}"):
                _build(folder, build)


def find(layout: Layout, name: str) -> Path | None:
    """Returns the program of that name: one of ours, else the first on the PATH."""
    found = shutil.which(name, path=search_path(layout))
    return Path(found) if found else None


def require(layout: Layout, name: str) -> Path:
    """Returns the program of that name, after building it when this machine has none.

    Args:
        layout: where things are.
        name: of a build and of its only program.

    Raises:
        ClusterError: there is none, and no Go to build it.
    """
    found = find(layout, name)
    if found is None:
        ensure(layout.bin, [name])
    return found or layout.bin / name


def is_built(folder: Path, build: Build) -> bool:
    """Returns whether the stamp names this very source and every program is there."""
    stamp = folder / STAMPS / build.name
    try:
        stamped = stamp.read_text()
    except FileNotFoundError:
        return False
    return stamped == build.source and all((folder / program).is_file() for program in build.programs)


def _build(folder: Path, build: Build) -> None:
    """Builds in a scratch folder, so that a broken build never leaves a half-written program."""
    if shutil.which("go") is None:
        raise ClusterError(
            f"{', '.join(build.programs)}: not installed. Install it, or Go 1.25 or newer to have it built:\n"
            "https://go.dev/doc/install"
        )
    (folder / STAMPS).mkdir(parents=True, exist_ok=True)
    # Inside the target folder: the final rename must not cross file systems.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        build.make(Path(scratch))
        for program in build.programs:
            (Path(scratch) / "out" / program).replace(folder / program)
    (folder / STAMPS / build.name).write_text(build.source)


def _kubernetes_build(name: str, programs: tuple[str, ...]) -> Build:
    make = functools.partial(build_kubernetes, programs=programs)
    return Build(name, f"k8s.io/kubernetes@{KUBERNETES}", programs, make)


def _tool_build(tool: GoTool) -> Build:
    source = f"{tool.package}@{tool.version}"
    return Build(tool.name, source, (tool.name,), lambda scratch: build_tool(tool, scratch))


def build_tool(tool: GoTool, scratch: Path) -> None:
    """Builds one program from the newest dependencies its own module asks for."""
    (scratch / "go.mod").write_text(f"module kubernel.dev/tools/{tool.name}\n\ngo 1.25\n")
    _go(scratch, "get", "-tool", f"{tool.package}@{tool.version}")
    _go(scratch, "build", "-ldflags", "-s -w", "-o", f"out/{tool.name}", tool.package)


def build_kubernetes(scratch: Path, programs: Sequence[str]) -> None:
    """Builds Kubernetes programs together, because they share nearly all their packages."""
    download = json.loads(_go(scratch, "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"))
    (scratch / "go.mod").write_text(kubernetes_module(Path(download["GoMod"]).read_text(), programs))
    _go(scratch, "mod", "tidy")
    (scratch / "out").mkdir()
    _go(scratch, "build", "-ldflags", kubernetes_linker_flags(KUBERNETES), "-o", "out/", "tool")


def kubernetes_module(upstream: str, programs: Sequence[str], version: str = KUBERNETES) -> str:
    """Returns a go.mod that builds Kubernetes from outside its repository.

    Kubernetes requires its staging modules at v0.0.0 and replaces them by folders of its own repository. From outside
    they are the published modules v0.MINOR.PATCH.

    Args:
        upstream: the text of k8s.io/kubernetes' own go.mod.
        programs: what to build, such as "kubelet".
        version: as in "v1.35.4".
    """
    staging = sorted(set(re.findall(r"^\t(k8s\.io/[a-z-]+) v0\.0\.0$", upstream, re.MULTILINE)))
    go_line = re.search(r"^go .*$", upstream, re.MULTILINE)
    published = version.replace("v1.", "v0.", 1)
    return "\n".join(
        [
            "module kubernel.dev/tools/kubernetes",
            go_line.group() if go_line else "go 1.25",
            f"require k8s.io/kubernetes {version}",
            "replace (",
            *(f"\t{module} => {module} {published}" for module in staging),
            ")",
            "tool (",
            *(f"\tk8s.io/kubernetes/cmd/{program}" for program in programs),
            ")",
            "",
        ]
    )


def kubernetes_linker_flags(version: str) -> str:
    """Returns the flags that tell the programs their version; without them they claim to be v0.0.0."""
    package = "k8s.io/component-base/version"
    major, minor, _ = version.removeprefix("v").split(".")
    return f"-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def source_folder(module: str, version: str) -> Path:
    """Returns where Go keeps a module's sources, after downloading them when it has none."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "go.mod").write_text("module kubernel.dev/tools/download\n")
        download = json.loads(_go(Path(scratch), "mod", "download", "-json", f"{module}@{version}"))
    return Path(download["Dir"])


def _go(scratch: Path, *arguments: str) -> str:
    # nice: a build of minutes must not make the machine unusable, least of all a cluster already running on it.
    return run(["nice", "go", *arguments], cwd=scratch, env=GO_ENVIRONMENT)
