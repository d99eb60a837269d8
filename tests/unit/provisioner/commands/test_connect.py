"""The connection file that ``kubernel connect`` writes."""

from pathlib import Path

import jupyter_core.paths
import pytest

from kubernel_provisioner.commands.connect import write_connection_file
from kubernel_provisioner.errors import ConfigurationError


def test_a_file_that_would_be_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where modes do not hold: a Windows drive in WSL, some network shares. It holds the kernel's key."""
    monkeypatch.setattr(jupyter_core.paths, "get_file_mode", lambda _: 0o777)
    path = tmp_path / "kernel.json"
    with pytest.raises(ConfigurationError, match=r"connection file cannot be written(.|\n)*kernel\.json") as caught:
        write_connection_file({"key": b"s3cret"}, path)
    assert "--file" in str(caught.value)
    assert "s3cret" not in path.read_text()
