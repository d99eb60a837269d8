"""Which message goes to which cell, and when."""

from typing import Any

from kubernel_jupyter.telling import MARK, FailedCell, Message, RunningCell, WaitingCells, failed, noted

GPU = "no node has room: 1 Insufficient nvidia.com/gpu"


def cell(number: int) -> dict[str, Any]:
    return {"msg_id": f"m{number}", "msg_type": "execute_request"}


def waiting(*numbers: int) -> WaitingCells:
    cells = WaitingCells()
    for number in numbers:
        cells.add(cell(number))
    return cells


def told(messages: list[Message]) -> list[tuple[str, str]]:
    return [(each.parent.get("msg_id", ""), each.msg_type) for each in messages]


def text(message: Message) -> str:
    return str(message.content["data"]["text/plain"])


class TestProgress:
    def test_only_the_first_cell_shows_it(self) -> None:
        (shown,) = waiting(1, 2).progress(13.2, "Unschedulable", GPU)
        assert (shown.channel, shown.msg_type, shown.parent) == ("iopub", "display_data", cell(1))
        assert text(shown) == f"Kernel is starting, 0:13: {GPU}"

    def test_it_is_marked_as_not_the_notebooks_own(self) -> None:
        (shown,) = waiting(1).progress(1, "", "")
        assert shown.content["metadata"] == {MARK: True}

    def test_it_is_replaced_in_place(self) -> None:
        cells = waiting(1)
        (first,), (second,) = cells.progress(59, "Pulling", ""), cells.progress(60, "Pulling", "")
        assert (second.msg_type, text(second)) == ("update_display_data", "Kernel is starting, 1:00: Pulling")
        assert first.content["transient"] == second.content["transient"]

    def test_a_cell_that_is_run_again_shows_it_anew(self) -> None:
        """The page listens to the newest request of a cell only."""
        cells = WaitingCells()
        cells.add(cell(1), "a")
        cells.add(cell(2), "b")
        cells.progress(1, "Pulling", "")
        cells.add(cell(3), "a")
        assert told(cells.progress(1, "Pulling", "")) == [("m3", "display_data")]
        cells.add(cell(4), "b")
        assert cells.progress(1, "Pulling", "") == []
        assert [parent for parent, kind in told(cells.failed("no room")) if kind == "execute_reply"] == ["m3", "m4"]

    def test_an_interrupt_takes_them_back(self) -> None:
        cells = waiting(1, 2)
        error, *rest = cells.interrupted()
        assert (error.parent, error.content["ename"]) == (cell(1), "KeyboardInterrupt")
        assert ("m2", "execute_reply") in told(rest)
        assert cells.progress(1, "Pulling", "") == []

    def test_nothing_new_is_not_said(self) -> None:
        cells = waiting(1)
        assert cells.progress(5.1, "Pulling", "")
        assert cells.progress(5.9, "Pulling", "") == []

    def test_without_a_cell_there_is_no_place_for_it(self) -> None:
        cells = WaitingCells()
        assert cells.progress(5, "Pulling", "") == []
        cells.add(cell(1))
        assert told(cells.progress(6, "Pulling", "")) == [("m1", "display_data")]

    def test_lines_fit(self) -> None:
        (shown,) = waiting(1).progress(5, "", "word " * 60 + "\n" + "w" * 150)
        lines = text(shown).splitlines()
        assert max(len(line) for line in lines[:-1]) <= 100
        assert lines[-1] == "w" * 150  # a path or an image: better long than broken


class TestReady:
    def test_the_words_are_taken_away_at_once(self) -> None:
        cells = waiting(1, 2)
        cells.progress(5, "Pulling", "")
        (gone,) = cells.ready()
        assert (gone.msg_type, gone.content, gone.parent) == ("clear_output", {"wait": False}, cell(1))

    def test_nothing_was_shown(self) -> None:
        assert waiting(1).ready() == []


class TestFailed:
    def test_the_first_cell_is_told_and_the_others_end(self) -> None:
        cells = waiting(1, 2)
        cells.progress(5, "Unschedulable", GPU)
        messages = cells.failed("No room.\nTry: kubectl")
        assert told(messages) == [
            ("m1", "clear_output"),
            ("m1", "error"),
            ("m1", "execute_reply"),
            ("m1", "status"),
            ("m2", "execute_reply"),
            ("m2", "status"),
        ]
        error = messages[1].content
        assert error == {"ename": "KernelDidNotStart", "evalue": "No room.", "traceback": ["No room.", "Try: kubectl"]}
        assert [each.content["status"] for each in messages if each.channel == "shell"] == ["error", "aborted"]

    def test_without_a_cell_nobody_is_told(self) -> None:
        assert WaitingCells().failed("No room.") == []


class TestDied:
    def test_the_cell_that_ran(self) -> None:
        running = RunningCell()
        running.status("busy", cell(1))
        assert told(failed(running.taken(), "KernelDied", "OOMKilled"))[0] == ("m1", "error")
        assert failed(running.taken(), "KernelDied", "OOMKilled") == []

    def test_one_that_the_kernel_did_not_come_to_tell_of(self) -> None:
        """``os._exit()`` is faster than the thread that says busy."""
        running = RunningCell()
        running.sent(cell(1))
        running.sent(cell(2))
        assert told(failed(running.taken(), "KernelDied", "OOMKilled"))[0] == ("m1", "error")
        assert running.taken() is None

    def test_another_pages_cell_that_runs_first(self) -> None:
        running = RunningCell()
        running.sent(cell(1))
        running.status("busy", cell(2))
        assert running.taken() == cell(2)

    def test_not_one_that_is_done(self) -> None:
        running = RunningCell()
        running.sent(cell(1))
        running.status("busy", cell(1))
        running.status("idle", cell(1))
        assert failed(running.taken(), "KernelDied", "OOMKilled") == []

    def test_what_runs_beside_it_does_not_end_it(self) -> None:
        """Subshells and control requests have busy and idle of their own."""
        running = RunningCell()
        running.status("busy", cell(1))
        other = {"msg_id": "o", "msg_type": "debug_request"}
        running.status("busy", other)
        running.status("idle", other)
        assert told(failed(running.taken(), "KernelDied", "OOMKilled"))[0] == ("m1", "error")


class TestFailedCell:
    def test_one_that_learns_more_before_it_ends(self) -> None:
        failed_cell = FailedCell(cell(1), "KernelDied")
        assert told(failed_cell.because("Exit code 3.")) == [("m1", "error")]
        (more,) = failed_cell.because("It does not come back.\nExit code 4.")
        assert more.content["traceback"] == ["It does not come back.", "Exit code 4."]
        reply, idle = failed_cell.ends()
        assert (reply.msg_type, reply.content["evalue"]) == ("execute_reply", "It does not come back.")
        assert (idle.msg_type, idle.content) == ("status", {"execution_state": "idle"})

    def test_without_a_cell_nobody_is_told(self) -> None:
        failed_cell = FailedCell(None, "KernelDied")
        assert failed_cell.because("Exit code 3.") + failed_cell.ends() == []


def test_a_note_is_an_output_and_no_end() -> None:
    (message,) = noted(cell(1), "The kernel died while no page was open.")
    assert (message.msg_type, message.parent) == ("stream", cell(1))
    assert message.content == {"name": "stderr", "text": "The kernel died while no page was open.\n"}


class TestStands:
    def test_the_cell_that_runs_is_told_once_each_time(self) -> None:
        running = RunningCell()
        running.status("busy", cell(1))
        (message,) = running.stands("It uses 300Mi of its 350Mi of memory.")
        assert (message.channel, message.msg_type, message.parent) == ("iopub", "display_data", cell(1))
        assert message.content["data"] == {"text/plain": "It uses 300Mi of its 350Mi of memory."}
        assert message.content["metadata"] == {MARK: True}
        assert running.stands("It uses 300Mi of its 350Mi of memory.") == []
        (other,) = running.stands("It is paused.")
        (gone,) = running.stands("")
        assert (other.msg_type, gone.msg_type, gone.parent) == ("update_display_data", "update_display_data", cell(1))
        assert other.content["transient"] == gone.content["transient"] == message.content["transient"]
        assert gone.content["data"] == {"text/plain": ""}
        assert running.stands("") == []
        assert [message.msg_type for message in running.stands("It is paused.")] == ["display_data"]

    def test_a_cell_that_is_sent_to_a_paused_kernel_is_told(self) -> None:
        running = RunningCell()
        running.sent(cell(1))
        running.sent(cell(2))
        assert [message.parent for message in running.stands("It is paused.")] == [cell(1)]
        running.status("busy", cell(1))
        running.status("idle", cell(1))
        assert running.taken() == cell(2)
        assert not running.is_running

    def test_nobody_is_told_without_a_cell(self) -> None:
        running = RunningCell()
        assert not running.is_running
        assert running.stands("It is paused.") == []

    def test_the_next_cell_is_told_what_nobody_was_told(self) -> None:
        """Its kernel was paused in the second after the last cell had ended: the watch looked once more."""
        running = RunningCell()
        running.stands("It is paused.")
        running.sent(cell(1))
        assert [message.parent for message in running.stands("It is paused.")] == [cell(1)]
        running.status("idle", cell(1))
        running.sent(cell(2))
        before, now = running.stands("It is paused.")
        assert (before.parent, before.content["data"]) == (cell(1), {"text/plain": ""})
        assert (now.parent, now.msg_type) == (cell(2), "display_data")


class TestLost:
    def test_cells_whose_end_was_not_heard_of(self) -> None:
        running = RunningCell()
        running.sent(cell(1))
        running.sent(cell(2))
        running.status("busy", cell(1))
        done = running.sent_ids
        running.sent(cell(3))
        assert [message.parent for message in running.gap("It was lost.")] == [cell(1)]
        ended = running.unheard(done, "ConnectionLost", "It was lost.")
        assert told(ended) == told(failed(cell(1), "ConnectionLost", "")) + told(failed(cell(2), "ConnectionLost", ""))
        assert running.taken() == cell(3)

    def test_cells_whose_end_was_heard_of(self) -> None:
        running = RunningCell()
        running.sent(cell(1))
        done = running.sent_ids
        running.status("idle", cell(1))
        assert running.unheard(done, "ConnectionLost", "It was lost.") == []
        assert running.gap("It was lost.") == []
