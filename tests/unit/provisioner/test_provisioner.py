"""The provisioner without a cluster: construction, preparation, and calls on a kernel that never was."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from kubernel_cluster import login
from kubernel_cluster.login import kubeconfig_path
from kubernel_provisioner import KubernetesProvisioner


@pytest.fixture
def spec() -> KernelSpec:
    return KernelSpec(
        argv=["/opt/conda/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python",
        language="python",
        env={"GREETING": "hello ${WHO}"},
    )


@pytest.fixture
def manager(spec: KernelSpec) -> Iterator[AsyncKernelManager]:
    manager = AsyncKernelManager(kernel_name="python3")
    manager._kernel_spec = spec
    yield manager
    manager.context.destroy(linger=0)


def test_the_entry_point() -> None:
    entries = KernelProvisionerFactory.instance().get_provisioner_entries()
    assert entries["kubernel"] == "kubernel_provisioner:KubernetesProvisioner"


def test_created_by_the_factory(spec: KernelSpec) -> None:
    stanza = {"provisioner_name": "kubernel", "config": {"image": "r:1"}}
    spec.metadata = {"kernel_provisioner": stanza}
    made = KernelProvisionerFactory.instance().create_provisioner_instance("id", spec, parent=None)
    assert isinstance(made, KubernetesProvisioner)
    assert (made.kernel_id, made.kernel_spec, made.image) == ("id", spec, "r:1")


def test_created_by_hand_it_takes_what_is_missing_from_its_parent(
    manager: AsyncKernelManager, spec: KernelSpec
) -> None:
    manager.kernel_id = "from-parent"
    made = KubernetesProvisioner(parent=manager)
    assert (made.kernel_spec, made.kernel_id) == (spec, "from-parent")


def test_created_with_nothing_at_all() -> None:
    one, other = KubernetesProvisioner(), KubernetesProvisioner()
    assert one.kernel_spec is None
    assert one.kernel_id != other.kernel_id
    assert one.connection_info is not other.connection_info  # the base class has one for all


async def test_pre_launch(spec: KernelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "world")
    monkeypatch.setenv("SECRET", "x")
    made = await KubernetesProvisioner(kernel_spec=spec).pre_launch(cwd="/x", extra_arguments=["--debug"], stdout=1)
    assert made == {
        "cwd": "/x",
        "stdout": 1,
        "cmd": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}", "--debug"],
        "env": {key: value for key, value in made["env"].items() if key.startswith("KERNEL_")}
        | {"GREETING": "hello world"},
    }


async def test_pre_launch_does_not_change_the_callers_environment(spec: KernelSpec) -> None:
    """The kernel manager hands the same dict to every restart."""
    env = {"WHO": "you", "JPY_SESSION_NAME": "a.ipynb", "TOKEN": "x"}
    made = await KubernetesProvisioner(kernel_spec=spec).pre_launch(env=env)
    assert made["env"] == {"JPY_SESSION_NAME": "a.ipynb", "GREETING": "hello you"}
    assert env == {"WHO": "you", "JPY_SESSION_NAME": "a.ipynb", "TOKEN": "x"}


async def test_pre_launch_without_a_kernelspec() -> None:
    made = await KubernetesProvisioner().pre_launch(env={})
    assert made == {"cmd": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "env": {}}


async def test_pre_launch_takes_no_local_port_and_writes_no_file(manager: AsyncKernelManager) -> None:
    """The ports are the pod's: bound here, they would be taken from others, and they would lead nowhere."""
    made = await KubernetesProvisioner(parent=manager).pre_launch()
    assert "{connection_file}" in made["cmd"]
    assert (manager.connection_file, manager.ports) == ("", [0] * 5)


async def test_pre_launch_heeds_a_subclass(spec: KernelSpec) -> None:
    class Own(KubernetesProvisioner):
        def _finalize_env(self, env: dict[str, str]) -> None:
            super()._finalize_env(env)
            env["KERNEL_OWN"] = env.get("PYTHONEXECUTABLE", "own")

    env = {"WHO": "you", "PYTHONEXECUTABLE": "/usr/bin/python3"}
    made = await Own(kernel_spec=spec).pre_launch(env=env)
    assert made["env"] == {"GREETING": "hello you", "KERNEL_OWN": "own"}


async def test_calls_on_a_kernel_that_never_was() -> None:
    """A shutdown after a failed start makes them all; none may raise, and none may need a cluster."""
    made = KubernetesProvisioner(kubeconfig="/nowhere")
    assert made.has_process is False
    assert await made.poll() == 0
    await made.send_signal(signal.SIGINT)
    await made.terminate()
    await made.kill()
    await made.shutdown_requested()
    assert await made.wait() == 0
    await made.cleanup(restart=True)
    await made.cleanup(restart=False)
    await made.cleanup(restart=False)
    await made.post_launch()
    assert made.has_process is False


async def test_a_start_that_fails_leaves_no_process() -> None:
    made = KubernetesProvisioner(kubeconfig="/nowhere")
    with pytest.raises(RuntimeError, match="no kubeconfig at /nowhere"):
        await made.launch_kernel([])
    assert (made.has_process, await made.poll()) == (False, 0)


async def test_information_for_another_process_is_json() -> None:
    made = KubernetesProvisioner(kernel_id="id")
    made.connection_info = {"ip": "10.0.0.7", "key": b"k"}
    info = json.loads(json.dumps(await made.get_provisioner_info()))
    assert info == {
        "kernel_id": "id",
        "connection_info": {"ip": "10.0.0.7", "key": "k"},
        "namespace": "",
        "instance": None,
    }
    other = KubernetesProvisioner()
    await other.load_provisioner_info(info)
    assert (other.kernel_id, other.connection_info) == ("id", {"ip": "10.0.0.7", "key": b"k"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/home/me/work/a.py", "/data/a.py", id="inside"),
        pytest.param("/home/me/work", "/data", id="the folder itself"),
        pytest.param("/home/me/workshop/a.py", None, id="only looks like it"),
        pytest.param("a.py", None, id="relative"),
        pytest.param("/home/me/work/../secrets", None, id="it only begins there"),
        pytest.param("/home/me/../me/work//a.py", "/data/a.py", id="in a roundabout way"),
        pytest.param("/home/me/work//sub/", "/data/sub", id="with more slashes"),
    ],
)
def test_resolve_path(path: str, expected: str | None) -> None:
    assert KubernetesProvisioner(path_map={"/home/me/work": "/data"}).resolve_path(path) == expected
    assert KubernetesProvisioner().resolve_path(path) is None


def test_a_folder_has_several_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link leads to it, or its owner's home does."""
    (tmp_path / "disk" / "project").mkdir(parents=True)
    (tmp_path / "work").symlink_to("disk")
    monkeypatch.setenv("HOME", str(tmp_path))
    by_link = KubernetesProvisioner(path_map={str(tmp_path / "work"): "/data"})
    by_home = KubernetesProvisioner(path_map={"~/disk/": "/data"})
    for made in (by_link, by_home):
        for name in ("work", "disk"):
            assert made.resolve_path(str(tmp_path / name / "project" / "a.py")) == "/data/project/a.py"
        assert made.resolve_path(str(tmp_path / "a.py")) is None


@pytest.mark.parametrize(
    ("cwd", "working_dir", "expected"),
    [
        pytest.param("/home/me/project", None, "/data/project", id="inside"),
        pytest.param("/home/me", None, "/data", id="the folder itself"),
        pytest.param("/home/me/scratch/x", None, "/scratch/x", id="the closest folder counts"),
        pytest.param(Path("/home/me/project"), None, "/data/project", id="as a Path"),
        pytest.param("/home/you", None, None, id="the image's own where none fits"),
        pytest.param("/srv/x", None, None, id="no absolute path in the pod"),
        pytest.param(None, None, None, id="not told"),
        pytest.param("/home/me/project", "/work", "/work", id="the option wins"),
    ],
)
def test_the_notebooks_folder_is_the_kernels(cwd: object, working_dir: str | None, expected: str | None) -> None:
    path_map = {"/home/me": "/data", "/home/me/scratch": "/scratch", "/srv": "srv"}
    made = KubernetesProvisioner(path_map=path_map, working_dir=working_dir)
    assert made._launch_request([], {"cwd": cwd}).options.working_dir == expected


@pytest.mark.parametrize("cwd", ["project", "./project/", "../me/project", Path("project")])
def test_a_notebooks_folder_may_be_relative(cwd: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``resources={"metadata": {"path": "project/"}}``, as nbconvert documents it."""
    (tmp_path / "me").mkdir()
    monkeypatch.chdir(tmp_path / "me")
    made = KubernetesProvisioner(path_map={str(tmp_path / "me"): "/data"})
    assert made._launch_request([], {"cwd": cwd}).options.working_dir == "/data/project"


def test_a_hub_users_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two has up to 255 letters; nobody asked for an owner, and it must not stop a kernel."""
    monkeypatch.setenv("JUPYTERHUB_USER", "u" * 255)
    owners = set()
    for server in ("", "a", "b" * 255):
        monkeypatch.setenv("JUPYTERHUB_SERVER_NAME", server)
        owners.add(KubernetesProvisioner().whose or "")
    assert len(owners) == 3
    assert max(map(len, owners)) <= 253


def test_it_stays_with_its_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """papermill goes to the notebook's folder while it starts a kernel, and logs in again later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "config:other/config")
    by_environment, by_option = KubernetesProvisioner(), KubernetesProvisioner(kubeconfig="config")
    found = f"{tmp_path}/config:{tmp_path}/other/config"
    assert (by_environment.place.found, by_option.place.found) == (found, f"{tmp_path}/config")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("KUBECONFIG", "another")
    assert (by_environment.place.found, by_option.place.found) == (found, f"{tmp_path}/config")
    assert kubeconfig_path(by_environment.place) == found
    assert KubernetesProvisioner().place.found == f"{tmp_path}/elsewhere/another"


def test_in_a_pod_a_context_is_looked_for_in_the_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a current context is left alone there, unless a context is asked for."""
    (tmp_path / "token").touch()
    (tmp_path / "config").write_text("contexts: [{name: a}]")
    monkeypatch.setattr(login, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert KubernetesProvisioner().place.found == login.IN_CLUSTER
    assert KubernetesProvisioner(context="a").place.found == str(tmp_path / "config")


def test_where_this_process_is_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    made = KubernetesProvisioner(path_map={str(tmp_path): "/data"})
    assert made._launch_request([], {"cwd": "."}).options.working_dir is None


async def test_what_a_start_cannot_do_is_said(
    provisioner: KubernetesProvisioner, caplog: pytest.LogCaptureFixture
) -> None:
    await provisioner.launch_kernel([], stdout=subprocess.DEVNULL, stderr=None)
    assert "Kernel 1: what it prints does not go to stdout or stderr of this start: see `kubernel logs`" in caplog.text


@pytest.mark.parametrize("recommended", [2.0, 5.0])
def test_times(recommended: float) -> None:
    made = KubernetesProvisioner()
    assert made.get_shutdown_wait_time(recommended) == recommended
    assert made.get_stable_start_time(recommended) == recommended


def test_importing_it_is_cheap() -> None:
    """A notebook server imports it when it lists kernelspecs."""
    code = "import sys, kubernel_provisioner; print([m for m in ('kubernetes', 'aiohttp', 'yaml') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


#: Takes away what Python has on Linux or POSIX only, once the packages of others are there, and imports all of ours.
ELSEWHERE = """
import importlib, os, pkgutil, signal, socket, sys
import aiohttp, jupyter_client.manager, jupyter_console.app, jupyter_server.serverapp, zmq.asyncio
import kubernetes.aio.config
for module, names in {lacks!r}.items():
    for name in names:
        delattr(importlib.import_module(module), name)
for name in {without!r}:
    sys.modules[name] = None
sys.platform = {platform!r}
for package in ("kubernel_provisioner", "kubernel_jupyter", "kubernel_cluster", "kubernel_wire", "kubernel_api"):
    found = importlib.import_module(package)
    for each in pkgutil.walk_packages(found.__path__, package + "."):
        importlib.import_module(each.name)
from kubernel_cluster.pool import keepalive_socket
keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", None)).close()
from kubernel_provisioner.launch.exit_code import KILLED
from kubernel_provisioner.cluster.background import background
async def work(): return KILLED
print(background().submit(work()).result())
"""
LINUX_ONLY = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE")


@pytest.mark.parametrize(
    ("platform", "lacks", "without"),
    [
        pytest.param("darwin", {"socket": LINUX_ONLY}, (), id="macOS"),
        pytest.param(
            "win32",
            {
                "os": (
                    "fork",
                    "register_at_fork",
                    "killpg",
                    "kill",
                    "getuid",
                    "geteuid",
                    "setsid",
                    "WTERMSIG",
                    "uname",
                ),
                "signal": ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGCHLD", "SIGALRM"),
                "socket": (*LINUX_ONLY, "TCP_KEEPINTVL", "TCP_KEEPCNT"),
            },
            ("fcntl", "grp", "pwd", "resource", "termios"),
            id="Windows",
        ),
    ],
)
def test_it_can_be_imported_where_there_is_no_linux(
    platform: str, lacks: dict[str, tuple[str, ...]], without: tuple[str, ...]
) -> None:
    """Simulated: neither system is here."""
    code = ELSEWHERE.format(platform=platform, lacks=lacks, without=without)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "-9\n", done.stderr
