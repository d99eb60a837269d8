"""Wakes the supervisor when the kernel has used CPU time: without it no process takes memory."""

import signal

ALARM = signal.SIGVTALRM
CPUCLOCK_SCHED = 2  # <linux/posix-timers.h>: how the clock of a process is named


class CpuAlarm:
    """A timer on the CPU clock of another process; Python itself has none.

    Raises:
        ImportError: this Python has no ctypes.
        OSError: there is no such process, or a sandbox has no such timers.
        AttributeError: nor has the C library.
    """

    def __init__(self, pid: int) -> None:
        import ctypes

        self._long = ctypes.c_long
        self._library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._library, "timer_create"):  # glibc before 2.34
            self._library = ctypes.CDLL("librt.so.1", use_errno=True)
        self._timer = ctypes.c_void_p()
        # struct sigevent: a value, the signal, SIGEV_SIGNAL, and what is not used
        event = (ctypes.c_int * 16)(0, 0, int(ALARM), 0)
        clock = ctypes.c_int((~pid << 3) | CPUCLOCK_SCHED)
        if self._library.timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)) != 0:
            raise OSError(ctypes.get_errno(), "timer_create")

    def after(self, seconds: float) -> None:
        """Sends ``ALARM`` once, after so much CPU time."""
        when = (self._long * 4)(0, 0, int(seconds), int(seconds % 1 * 1e9))
        self._library.timer_settime(self._timer, 0, when, None)

    def close(self) -> None:
        """No alarm any more."""
        self._library.timer_delete(self._timer)
