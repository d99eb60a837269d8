"""kopf watches and does nothing else."""

import itertools

from kubernel_operator.edge.kopf_settings import Backoffs, NoDiffBase, NoProgress, kopf_settings


def test_only_our_pods_are_watched() -> None:
    selector = "app.kubernetes.io/managed-by=kubernel"
    selectors = kopf_settings().watching.label_selectors
    assert (selectors["pods"], selectors["leases.coordination.k8s.io"]) == (selector, selector)


def test_nothing_is_written() -> None:
    settings = kopf_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert isinstance(settings.persistence.diffbase_storage, NoDiffBase)
    assert isinstance(settings.persistence.progress_storage, NoProgress)
    patch: dict[str, object] = {}
    settings.persistence.diffbase_storage.store(body={}, patch=patch, essence={"spec": 1})
    settings.persistence.progress_storage.store(key="k", record={}, body={}, patch=patch)
    settings.persistence.progress_storage.touch(body={}, patch=patch, value="now")
    assert patch == {}


def test_back_off_never_ends_and_begins_anew() -> None:
    backoffs = Backoffs()
    first = list(itertools.islice(backoffs, 1000))
    assert 0.1 <= first[0] <= 0.2
    assert all(2.5 <= seconds <= 5.0 for seconds in first[4:])
    assert next(iter(backoffs)) <= 0.2
