"""A notebook that nbclient runs on the host, its kernel in a pod."""

from collections.abc import Callable

from nbclient import NotebookClient

from fixtures.journey_notebook import build_notebook, said
from fixtures.kubectl import Kubectl
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until

LOOP_SECONDS = 2


def test_notebook(
    operator: OperatorRelease,
    namespace: str,
    kubectl: Kubectl,
    install_kernelspec: Callable[..., str],
    leftovers: Callable[[str], list[str]],
) -> None:
    notebook = build_notebook()
    client = NotebookClient(
        notebook,
        kernel_name=install_kernelspec(namespace),
        allow_errors=True,
        interrupt_on_timeout=True,
        timeout_func=lambda cell: LOOP_SECONDS if cell["id"] == "loop" else None,
    )
    with client.setup_kernel():
        (instance,) = kubectl.within(namespace).items("kernels")
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)

    outputs = {cell["id"]: said(cell.outputs) for cell in notebook.cells}
    *counted, interrupt = outputs.pop("loop").split()
    assert interrupt == "KeyboardInterrupt:"
    assert counted[:3] == ["0", "1", "2"]
    assert outputs.pop("plot").startswith("[image/png, ")
    assert outputs == {
        "print": f"Hello from pod {instance['status']['podName']} as uid 1000\n",
        "exception": "ZeroDivisionError: division by zero",
        "afterwards": "Still here: True\n",
    }
    wait_until("nothing left over", lambda: leftovers(namespace) == [], seconds=30)
