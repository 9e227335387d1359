"""Tell systemd how a service is (sd_notify(3)): READY, STATUS, WATCHDOG."""

import socket
from collections.abc import Mapping

# Not to be waited for: mail is read whether or not the manager listens.
_KIND = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK


class Notify:
    """Speaks to $NOTIFY_SOCKET; silent where there is none. The protocol is one datagram: no library is needed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._place = environment.get("NOTIFY_SOCKET", "")
        if self._place.startswith("@"):  # the abstract namespace
            self._place = "\0" + self._place[1:]

    def __call__(self, state: str) -> None:
        """Send a state such as "READY=1"."""
        if not self._place:
            return
        with socket.socket(socket.AF_UNIX, _KIND) as to:
            try:
                to.sendto(state.encode(), self._place)
            except OSError:
                return  # systemd is being restarted; the next one reaches it

    def alive(self) -> None:
        """Say that the watchdog (WatchdogSec=) need not bark."""
        self("WATCHDOG=1")
