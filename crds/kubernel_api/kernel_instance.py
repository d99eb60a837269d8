"""The KernelInstance resource as a pydantic model: the one source of the CRD.

The operator works on raw dicts and uses the models only to write the CRD and in tests.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from .constants import API_VERSION, KIND, NAME_MAX_LENGTH
from .fields import Model, host_name, rules
from .spec import KernelInstanceSpec
from .status import UNOBSERVED_STATUS, KernelInstanceStatus


class KernelInstance(Model):
    """A Jupyter kernel that runs in a pod."""

    model_config = ConfigDict(extra="allow", json_schema_extra=rules(host_name(NAME_MAX_LENGTH, "becomes a host name")))
    api_version: Annotated[str, Field(description=f"{API_VERSION}.")]
    kind: Annotated[str, Field(description=f"{KIND}.")]
    metadata: dict[str, Any]  # the API server allows no description here: it has its own
    # The API server evaluates the rules on a default as it stands here, before it fills in the defaults inside it.
    spec: Annotated[KernelInstanceSpec, Field(default={"restartGeneration": 0}, description="What to run.")]
    status: Annotated[KernelInstanceStatus, Field(default=UNOBSERVED_STATUS, description="What the operator saw.")]
