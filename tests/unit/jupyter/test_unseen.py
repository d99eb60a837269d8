"""Deaths that no page has seen are told once, to whoever runs the notebook's next cell."""

from kubernel_jupyter.unseen import UnseenDeaths

OOM, IDLE, PATH = "It was killed (OOMKilled).", "It was idle for 3600 s (IdleTimeout).", "work/training.ipynb"


def test_a_kernel_that_was_restarted_tells_it_itself() -> None:
    deaths = UnseenDeaths()
    deaths.died("k", OOM)
    assert deaths.taken("other") == ""
    assert deaths.taken("k") == OOM
    assert deaths.taken("k") == ""


def test_of_one_that_did_not_come_back_the_notebooks_next_kernel_tells() -> None:
    deaths = UnseenDeaths()
    deaths.died("k", OOM)
    deaths.ended("k", IDLE, PATH)
    assert deaths.taken("k") == ""
    deaths.started("other", "other.ipynb")
    deaths.started("no notebook", None)
    deaths.started("next", PATH)
    deaths.started("after that", PATH)
    assert [deaths.taken(each) for each in ("other", "no notebook", "after that", "next")] == ["", "", "", IDLE]


def test_without_a_notebook_nobody_is_told() -> None:
    deaths = UnseenDeaths()
    deaths.ended("k", IDLE, None)
    deaths.started("next", None)
    assert deaths.taken("next") == ""
