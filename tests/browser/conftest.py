"""Debian's chromium in front of a real Jupyter server with our extension and kernels on the cluster.

One server for all tests of a process, one browser for each module; a test has notebooks of its own, and ends their
kernels.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from cluster import browser as installed
from fixtures.api_client import ApiClient
from fixtures.cluster import LAYOUT, REPO
from fixtures.host_server import HostServer, launch
from fixtures.jupyter_server import ServerError
from fixtures.kernelspecs import install_into
from fixtures.kubectl import Kubectl, Object
from fixtures.namespaces import PREFIX, create_namespace, remove_namespace
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until

from .person import KEEP_MESSAGES, SECONDS, Notebook
from .quiet_network import quiet

QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
# Nothing from the internet, and no question whether to ask there.
OPTIONS = ("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None")
NEWS = "@jupyterlab/apputils-extension:announcements"
LABEXTENSION = "share/jupyter/labextensions/@kubernel/labextension"
VIEWPORT = {"width": 1200, "height": 760}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser. Of a module: where Playwright's loop runs, no asynchronous test can."""
    program = installed.find()
    if program is None:
        pytest.skip(installed.MISSING)
    with quiet(program, tmp_path_factory.mktemp("chromium")) as (start, options), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=start, args=["--no-sandbox", *options])
        context = browser.new_context(viewport=VIEWPORT)
        context.set_default_timeout(SECONDS * 1000)
        # Each page that is loaded asks for it, and the server looks it up in threads for a second. A server that is
        # ended meanwhile waits for those threads for ever, with our extension and without (jupyter_server 2.21).
        context.route("**/api/nbconvert*", lambda route: route.fulfill(json={}))
        yield context
        browser.close()


@dataclass(frozen=True)
class Place:
    """Where the kernels are.

    Args:
        folder: the server's own, and the user's home.
        root: what it serves.
        here: kubectl for the namespace of kernels that start.
        full: kubectl for one whose quota is full.
        environment: of the server.
        started: all servers, which end with the tests.
    """

    folder: Path
    root: Path
    here: Kubectl
    full: Kubectl
    environment: dict[str, str]
    started: list[HostServer] = field(default_factory=list)

    def kernels(self) -> list[Object]:
        """The KernelInstances."""
        return [*self.here.items("kernels"), *self.full.items("kernels")]

    def reasons(self) -> list[str]:
        """Those of their statuses."""
        return [str(kernel.get("status", {}).get("reason")) for kernel in self.kernels()]

    def make_room(self) -> None:
        """Lets kernels start where the quota is full."""
        self.full("delete", "resourcequota", "full", "--ignore-not-found")

    def fill(self) -> None:
        """Lets no kernel start there any more."""
        self.full.apply(QUOTA)
        wait_until("the quota", lambda: "hard" in self.full.items("resourcequotas")[0]["status"], seconds=SECONDS)

    def start(self, before: HostServer | None = None) -> HostServer:
        """Starts a server with JupyterLab and Notebook, in the place of one that has ended."""
        server = launch(self.folder, self.environment, OPTIONS, program="lab", root=self.root, before=before)
        self.started.append(server)
        return server

    def change(self, name: str, how: Callable[[Any], None]) -> None:
        """Changes an installed kernelspec in ways that ``kubernel install`` refuses."""
        file = self.folder / "prefix" / "share" / "jupyter" / "kernels" / name / "kernel.json"
        spec = json.loads(file.read_text())
        how(spec)
        file.write_text(json.dumps(spec))

    def install(self, name: str, namespace: str, *options: str) -> None:
        """Installs a kernelspec."""
        install_into(self.folder / "prefix", name, namespace, *options)


#: A kernel that ends as soon as it is started, with a word why.
EXPIRED = "import sys; sys.exit('The licence has expired')"


@pytest.fixture(scope="session")
def place(
    api: ApiClient, kubectl: Kubectl, operator: OperatorRelease, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Two namespaces, and kernelspecs for what a person meets there; in the end nothing may be left."""
    folder = tmp_path_factory.mktemp("browser")
    names = [create_namespace(api, PREFIX) for _ in range(2)]
    paths = [str(Path(sys.executable).parent), str(LAYOUT.bin), os.environ["PATH"]]
    environment = {
        "PATH": os.pathsep.join(paths),
        "HOME": str(folder),
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_PATH": str(folder / "prefix" / "share" / "jupyter"),
        "KUBERNEL_KUBECONFIG": str(kubectl.kubeconfig),
        "KUBERNEL_ORPHAN_AFTER_SECONDS": "60",
        "KUBERNEL_OWNER": f"alice/{names[0]}",
        **{name: os.environ[name] for name in ("KUBERNEL_ACCESS",) if name in os.environ},
    }
    (folder / "notebooks").mkdir()
    # In an editable environment it is what was built when that was made; what comes first on the path counts.
    shutil.copytree(REPO / "provisioner" / "labextension", folder / "prefix" / LABEXTENSION)
    settings = folder / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": {NEWS: True}}))
    found = Place(folder, folder / "notebooks", kubectl.within(names[0]), kubectl.within(names[1]), environment)
    image = operator.kernel_image
    found.install("science", names[0], "--display-name", "Science", "--image", image, "--memory", "300Mi")
    found.install("gpu", names[0], "--display-name", "GPU", "--image", image, "--gpu", "8")
    found.install("hasty", names[0], "--display-name", "Hasty", "--image", image, "--gpu", "8", "--start-deadline", "5")
    found.install("missing", names[0], "--display-name", "Missing", "--image", f"{image}-no-such")
    found.install(
        "greedy", names[0], "--display-name", "Greedy", "--image", image, "--cpu", "500", "--cpu-request", "500"
    )
    found.install("odd", names[0], "--display-name", "Odd", "--image", image)
    found.change("odd", lambda spec: spec["metadata"]["kernel_provisioner"]["config"].update(image="Kernels/Odd:1"))
    found.install("expired", names[0], "--display-name", "Expired", "--image", image)
    found.change("expired", lambda spec: spec.update(argv=["python3", "-c", EXPIRED, "{connection_file}"]))
    found.install("full", names[1], "--display-name", "Full", "--image", image)
    found.install("impatient", names[1], "--display-name", "Impatient", "--image", image, "--start-deadline", "5")
    found.fill()
    yield found
    for server in found.started:
        server.process.terminate()
        server.process.wait(SECONDS)
    for name in names:
        remove_namespace(api, name)


@pytest.fixture(scope="session")
def server(place: Place) -> HostServer:
    """JupyterLab and Notebook."""
    return place.start()


@pytest.fixture
def make_notebook(place: Place) -> Iterator[Callable[..., str]]:
    """``make_notebook("cell", ..., kernel="science")`` writes a file and returns its name; all are gone in the end."""

    def make(*cells: str, kernel: str = "science", name: str = "") -> str:
        name = name or f"{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(notebook, place.root / name)
        return name

    yield make
    for file in place.root.glob("*.ipynb"):
        file.unlink()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab."""
    page = context.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(f"{request.failure}: {request.url}"))
    yield page
    print("requests that failed:", *failed, sep="\n  ")
    page.close()


REPORT: pytest.StashKey[pytest.TestReport] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report


OpenNotebook = Callable[..., Notebook]


@pytest.fixture
def open_notebook(
    page: Page, server: HostServer, place: Place, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """``open_notebook(name, program=...)`` shows it in JupyterLab, or Notebook; in the end no kernel is left."""

    def show(name: str, page: Page = page, server: HostServer = server, program: str = "JupyterLab") -> Notebook:
        path = f"lab/workspaces/{uuid.uuid4().hex}/tree" if program == "JupyterLab" else "notebooks"
        page.add_init_script(KEEP_MESSAGES)
        notebook = Notebook(page)
        notebook.bear_with_jupyterlab()
        page.goto(f"http://{server.host}/{path}/{name}?token={server.token}")
        notebook.until_open()
        wait_until(
            "a websocket", lambda: connections(server, name) > 0, seconds=SECONDS
        )  # JupyterLab runs no cell before
        return notebook

    yield show
    report = request.node.stash.get(REPORT, None)
    if report is not None and report.failed:
        file = place.folder / f"{re.sub('[^a-z0-9]+', '-', request.node.name)}.png"
        page.screenshot(path=file)
        print(f"see {file} and {place.folder / 'server.log'}")
    for each in place.started:
        if each.process.poll() is None:
            end_all(each)
    wait_until("no KernelInstance", lambda: place.kernels() == [], seconds=SECONDS)


def connections(server: HostServer, name: str) -> int:
    """How many pages are connected to a notebook's kernel, those included that are gone and whose cells wait."""
    sessions = server.request("GET", "/sessions")
    return sum(session["kernel"]["connections"] for session in sessions if session["path"] == name)


def end_all(server: HostServer) -> None:
    """Shuts all kernels down, as a person does with the panel of what runs."""
    for kind in ("sessions", "kernels"):
        for each in server.request("GET", f"/{kind}"):
            try:
                server.request("DELETE", f"/{kind}/{each['id']}")
            except ServerError as error:
                if error.status != 404:  # the page has ended it meanwhile
                    raise
