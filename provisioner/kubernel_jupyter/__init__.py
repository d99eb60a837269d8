"""A Jupyter server extension: what a notebook is told of a kernel that is pending, and of one that died.

Enabled by the wheel's own ``jupyter_server_config.d/kubernel.json``. Kernels of other provisioners are left alone.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "kubernel_jupyter.extension"}]
