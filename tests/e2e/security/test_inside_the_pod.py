"""What user code in a kernel finds: nothing that is not its own."""

import base64
import json
from collections.abc import Callable

import pytest

from fixtures.kernel_managers import START_SECONDS, run
from fixtures.kubectl import Kubectl, Object
from kubernel_api.constants import POD_SECRET_TYPE, SECRET_TOKEN

from .conftest import client_of, info_of, secret_of, start

LoadImage = Callable[[str], str]
R = {"argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"], "language": "R"}
PYTHON_IMAGES = pytest.mark.parametrize("image", ["kernel-python", "kernel-stacks"])

# Environment, arguments, stack and heap of every other process in the container.
SEARCH = """
import glob, os, re
def pieces(pid):
    for name in ("environ", "cmdline"):
        yield name, open(f"/proc/{pid}/{name}", "rb").read()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for low, high in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw.*(?:stack|heap)", maps.read(), re.M):
            memory.seek(int(low, 16))
            yield "mem", memory.read(int(high, 16) - int(low, 16))
def holds(pid, needle):
    found = set()
    try:
        for name, piece in pieces(pid):
            if needle in piece:
                found.add(name)
    except OSError:
        pass
    return found
others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
needle = bytes.fromhex("NEEDLE")
print(1 in others, [(pid, holds(pid, needle)) for pid in others if holds(pid, needle)])
"""


def token_of(here: Kubectl, instance: Object) -> str:
    assert SECRET_TOKEN not in secret_of(here, instance)  # which its clients may read
    (token,) = (each["data"][SECRET_TOKEN] for each in here.items("secrets") if each["type"] == POD_SECRET_TYPE)
    return base64.b64decode(token).decode()


@PYTHON_IMAGES
async def test_the_token_cannot_be_read(here: Kubectl, load_image: LoadImage, image: str) -> None:
    instance = start(here, image=load_image(image))
    needle = token_of(here, instance).encode().hex()
    async with client_of(info_of(here, instance)) as client:
        await client.wait_for_ready(timeout=START_SECONDS)
        assert await run(client, SEARCH.replace("NEEDLE", needle)) == "True []\n"


async def test_the_token_cannot_be_read_without_a_supervisor(here: Kubectl, load_image: LoadImage) -> None:
    instance = start(here, image=load_image("kernel-r"), kernel=R)
    search = f"cat /proc/[0-9]*/environ | tr '\\\\0' '\\\\n' | grep -c {token_of(here, instance)}"
    async with client_of(info_of(here, instance)) as client:
        await client.wait_for_ready(timeout=START_SECONDS)
        assert await run(client, "cat(file.exists('/proc/1/environ'))") == "TRUE"
        assert await run(client, f'cat(suppressWarnings(system("{search}", intern = TRUE)))') == "0"


FILES = """
import os, stat, sys
path = sys.argv[-1]
for name in (path, os.path.dirname(path)):
    print(oct(stat.S_IMODE(os.stat(name).st_mode)), os.stat(name).st_uid == os.getuid())
print(sorted(name for name in os.environ if name.startswith(("KUBERNEL_", "JPY_PARENT"))))
print(os.path.exists("/var/run/secrets/kubernetes.io"))
"""


@PYTHON_IMAGES
async def test_the_connection_file_and_the_environment(here: Kubectl, load_image: LoadImage, image: str) -> None:
    instance = start(here, image=load_image(image))
    async with client_of(info_of(here, instance)) as client:
        await client.wait_for_ready(timeout=START_SECONDS)
        assert (await run(client, FILES)).splitlines() == ["0o600 True", "0o700 True", "[]", "False"]


async def test_references_to_variables_are_left_alone(here: Kubectl, kernel_image: str) -> None:
    """Kubernetes would put the value of $(KUBERNEL_TOKEN) in, and make $$ a $."""
    text = "$(KUBERNEL_TOKEN) $(HOME) $$ $$(KUBERNEL_KEY) ${HOME} $HOME"
    script = 'printf %s "$1" > /tmp/argument; exec python3 -m ipykernel_launcher -f "$0"'
    instance = start(
        here, kernel={"argv": ["sh", "-c", script, "{connection_file}", text]}, env=[{"name": "TEXT", "value": text}]
    )
    async with client_of(info_of(here, instance)) as client:
        await client.wait_for_ready(timeout=START_SECONDS)
        found = await run(
            client, "import json, os; print(json.dumps([open('/tmp/argument').read(), os.environ['TEXT']]))"
        )
    assert json.loads(found) == [text, text]
