"""Tries each KernelTemplate when it changes, by a dry run of the pod that it makes, and writes what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_cluster.retry import wanted_pause
from kubernel_operator.decide.template_status import is_settled, template_status, trial_pod
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.observe.templates import Templates
from kubernel_operator.settings import Settings

logger = logging.getLogger(__name__)

# What was refused may be mended elsewhere: a PriorityClass that is made later.
AGAIN_SECONDS = 60.0
RETRY_SECONDS = 5.0
# Nothing is stored, and a field that Kubernetes does not know is an error.
DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}


class TemplateChecks:
    """The leader's business."""

    def __init__(
        self,
        cluster: Cluster,
        templates: Templates,
        namespace: str,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        """Tries nothing yet.

        Args:
            cluster: the API server.
            templates: what is known; told from now on.
            namespace: the operator's own, where the templates are and where pods are tried.
            settings: for what pods have beside the template's.
            clock: Unix seconds.
        """
        self._cluster, self._templates, self._settings = cluster, templates, settings
        self._namespace, self._clock = namespace, clock
        self._changed = asyncio.Event()
        templates.tell(lambda _: self._changed.set())

    async def run(self) -> None:
        """Tries what is not known to be good, until cancelled."""
        while True:
            self._changed.clear()
            for template in self._templates.values():
                if not is_settled(template):
                    await self._check_or_say_why_not(template)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), AGAIN_SECONDS)

    async def check(self, template: TemplateFacts) -> None:
        """Tries one, and writes its status if that changes.

        Raises:
            ClusterError: it is not known, or cannot be written.
        """
        refused: ApiError | None = None
        pod = trial_pod(template, self._settings, self._namespace)
        try:
            await self._cluster.request("POST", paths.core("pods", self._namespace), query=DRY_RUN, body=pod)
        except ApiError as error:
            refused = error
        status = template_status(template, refused, self._namespace, self._clock())
        if list(template.raw_conditions) == status["conditions"]:
            return
        path = f"{paths.kernel_templates(self._namespace)}/{template.name}/status"
        await self._cluster.merge_patch(path, {"metadata": {"uid": template.uid}, "status": status})
        ready = status["conditions"][0]
        logger.info("KernelTemplate %s: Ready %s: %s", template.name, ready["status"], ready["message"])

    async def _check_or_say_why_not(self, template: TemplateFacts) -> None:
        try:
            await self.check(template)
        except ClusterError as error:
            logger.warning("KernelTemplate %s could not be tried: %s", template.name, error)
            await asyncio.sleep(max(RETRY_SECONDS, wanted_pause(error)))
            self._changed.set()
