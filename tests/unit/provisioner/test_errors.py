"""The tree of errors, and their text."""

import pickle

import pytest

from kubernel_provisioner import errors
from kubernel_provisioner.errors import ConfigurationError, KernelFailedError, KubernelError


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("What.",), "What.", id="what"),
        pytest.param(("What.", "Why."), "What.\nWhy.", id="why"),
        pytest.param(("What.", "", "kubectl"), "What.\nTry: kubectl", id="command"),
        pytest.param(("What.", "Why.", "kubectl"), "What.\nWhy.\nTry: kubectl", id="all"),
    ],
)
def test_text(arguments: tuple[str, ...], text: str) -> None:
    assert str(KubernelError(*arguments)) == text


def test_every_error_is_a_runtime_error_and_stands_in_the_drawing() -> None:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert all(issubclass(error, RuntimeError) for error in found)
    assert [error.__name__ for error in found if error.__name__ not in (errors.__doc__ or "")] == []


def test_a_failed_kernel_knows_its_reason() -> None:
    assert KernelFailedError("What.", "Why.", reason="OOMKilled").reason == "OOMKilled"


def test_errors_cross_processes() -> None:
    """papermill and multiprocessing pickle what went wrong."""
    assert (
        str(pickle.loads(pickle.dumps(ConfigurationError("What.", "Why.", "kubectl")))) == "What.\nWhy.\nTry: kubectl"
    )
