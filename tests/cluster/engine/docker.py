"""The client of the Docker engine that is made here. It may be used from outside the engine's namespaces."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run, succeeds
from cluster.engine import packages
from cluster.layout import Layout


@dataclass(frozen=True)
class Docker:
    """Where the engine listens and keeps its images, and which client fits it.

    Args:
        socket: of the engine.
        data: folder of its images and containers.
        programs: folders of Debian's client, as in a PATH.
    """

    socket: Path
    data: Path
    programs: str

    @classmethod
    def of(cls, layout: Layout) -> "Docker":
        """The engine of this user."""
        socket = layout.engine / "this-run" / "docker.sock"
        return cls(socket, layout.cache / "engine" / "docker", packages.programs(layout))

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which `docker`, and kind, find the engine."""
        return {"DOCKER_HOST": f"unix://{self.socket}", "PATH": f"{self.programs}:{os.environ.get('PATH', '')}"}

    def answers(self) -> bool:
        """Returns whether the engine works."""
        return self.socket.exists() and succeeds(["docker", "info"], self.environment)

    def has(self, image: str) -> bool:
        """Returns whether the engine has an image of this name."""
        return succeeds(["docker", "image", "inspect", image], self.environment)

    def run(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Runs `docker` and returns what it prints."""
        return run(["nice", "docker", *arguments], env=self.environment, stdin=stdin)

    def build(self, dockerfile: Path, context: Path, image: str, arguments: Sequence[str] = ()) -> None:
        """Builds an image.

        Args:
            dockerfile: the file.
            context: folder with what it copies.
            image: name and tag of the result.
            arguments: values of its ARGs, as in "NAME=value".
        """
        options = [f"--build-arg={argument}" for argument in arguments]
        self.run("build", f"--file={dockerfile}", f"--tag={image}", *options, context)
