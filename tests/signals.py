"""Asking one process to end, also on Windows, where a console asks all of its processes at once and nobody else can."""

from __future__ import annotations

import os
import signal
import sys

from tests.wine import UNDER_WINE


def _service_stop() -> int:
    """Return the signal that a process gets which is told to end; the C library of Wine 8 has no Ctrl-Break."""
    if sys.platform != "win32":
        return signal.SIGTERM
    return signal.SIGINT if UNDER_WINE else signal.SIGBREAK


SERVICE_STOP = _service_stop()


def send_signal(pid: int, number: int) -> None:
    """Send a signal; on Windows Ctrl-C for SIGINT and Ctrl-Break for SIGTERM, by the thread that a console starts."""
    if sys.platform != "win32":
        os.kill(pid, number)
        return
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    for name in ("CreateRemoteThread", "GetModuleHandleW", "GetProcAddress", "OpenProcess"):
        getattr(kernel, name).restype = ctypes.c_void_p
    module = ctypes.c_void_p(kernel.GetModuleHandleW("kernelbase.dll"))
    routine = ctypes.c_void_p(kernel.GetProcAddress(module, b"CtrlRoutine"))
    process = ctypes.c_void_p(kernel.OpenProcess(0x1FFFFF, False, pid))  # PROCESS_ALL_ACCESS
    is_break = number != signal.SIGINT and SERVICE_STOP == signal.SIGBREAK
    event = ctypes.c_void_p(signal.CTRL_BREAK_EVENT if is_break else signal.CTRL_C_EVENT)
    thread = kernel.CreateRemoteThread(process, None, ctypes.c_size_t(0), routine, event, 0, None)
    if not thread:
        raise ctypes.WinError(ctypes.get_last_error())
    kernel.CloseHandle(ctypes.c_void_p(thread))
    kernel.CloseHandle(process)
