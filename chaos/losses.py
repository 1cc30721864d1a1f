"""An answer that is lost after the commit: asked for by a header, so that a client knows which it was."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse

HEADER = "X-Chaos"
LOSE, DIE = "lose", "die"
NOTES = "CHAOS_NOTES"
"""The variable of the environment that names the file in which lost answers are noted."""


class LosesAnswers:
    """Once the work is committed: note the answer, then cut the line (`lose`) or kill the whole process (`die`)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        asked = request.headers.get(HEADER, "")
        if asked in (LOSE, DIE) and response.status_code == 200:
            notes = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(notes, response.content.replace(b"\n", b" ") + b"\n")
            os.close(notes)
            if asked == DIE:
                os.kill(os.getpid(), signal.SIGKILL)
            with suppress(OSError):
                request.META["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
        return response
