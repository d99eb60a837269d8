"""What the operator tells a supervisor before its start: KUBERNEL_CONFIG, lines of ``NAME=VALUE``.

Lines and not JSON: ``bootstrap.sh`` reads them as well, and ``import json`` would delay the kernel by 8 ms.
"""

JUPYTER_PORTS = ("shell", "iopub", "stdin", "control", "hb")


class Settings:
    """KUBERNEL_CONFIG, parsed. Names and meanings: ``docs/protocols.md``, "Environment of the kernel's container".

    Raises:
        KeyError: a line is missing.
        ValueError: a number is none.
    """

    def __init__(self, text: str) -> None:
        values = dict(line.split("=", 1) for line in text.splitlines() if line)
        self.secret, self.pod = values["secret"], values["pod"]
        self.callback_url = values["callbackURL"]
        self.kernel_name = values["kernelName"]
        self.ports = dict(zip(JUPYTER_PORTS, map(int, values["ports"].split())))  # noqa: B905 - Python 3.10
        self.control_port = int(values["controlPort"])
        self.connection_file = values["connectionFile"]
        self.restart_grace_seconds = float(values["restartGraceSeconds"])
        self.idle_timeout_seconds = float(values["idleTimeoutSeconds"] or 0)  # 0: no timeout
        self.restart_generation = int(values["restartGeneration"])
