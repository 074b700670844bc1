"""A server in a process of its own, and a client that needs nothing but the standard library."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from drf.errors import DRFError
from drf.serve.desk import Settings
from drf.serve.limits import Limits
from drf.serve.server import Address, Plan, serve

ROOT = Path(__file__).parent.parent


class Refused(Exception):
    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.status, self.kind, self.message = status, error["kind"], error["message"]


class Client:
    """Speaks to the server at ``port``."""

    port = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(self, method, path, body=None, **headers):
        """Status, headers and text of the answer."""
        with contextlib.closing(self.connect()) as connection:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def post(self, verb, key=None, **given):
        more = {} if key is None else {"Idempotency_Key": key}
        body = json.dumps(given)
        return told(
            *self.send("POST", f"/v1/{verb}", body, Content_Type="application/json", **more)
        )

    def get(self, question, query=""):
        return told(*self.send("GET", f"/v1/{question}{query}"))

    def batch(self, *events):
        return self.post("batch", events=list(events))["outcomes"]


class Server(Client):
    """``drf serve`` with these options, in a process of its own, at a port that was free."""

    def __init__(self, *options, port=True):
        command = [sys.executable, "-m", "drf", "serve"]
        command += [*(["--port", "0"] if port else []), *map(str, options)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        line = self.process.stdout.readline()
        self.where = line.strip().removeprefix("drf: listening at ")
        if not line:
            self.stop()
            raise AssertionError(f"did not start: {self.err}")
        self.port = int(self.where.rpartition(":")[2]) if port else None

    def stop(self, number=signal.SIGTERM):
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, self.err = self.process.communicate(timeout=60)
        return self.process.returncode


class Local(Client):
    """The same server in a thread of this process, which starts sooner."""

    def __init__(
        self, *, unix=None, settings=None, limits=None, token=None, journal=None, sync=True
    ):
        self._plan = Plan(
            Address(port=0, unix=unix),
            Settings(**settings or {}),
            Limits(**limits or {}),
            token,
            journal,
            sync,
        )
        self._ready = threading.Event()
        self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(60)
        if self.error is not None:
            raise self.error

    def _run(self):
        try:
            asyncio.run(self._serve())
        except DRFError as error:
            self.error = error
            self._ready.set()

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        await serve(self._plan, self._listens, self._stopped)

    def _listens(self, where):
        self.where = where
        self.port = int(where.rpartition(":")[2]) if where.startswith("http:") else None
        self._ready.set()

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(60)

    def _end(self):
        if not self._stopped.done():
            self._stopped.set_result(None)


def told(status, _, text):
    answer = json.loads(text)
    if status != 200:
        raise Refused(status, answer["error"])
    return answer


def event(verb, key=None, **given):
    return {"do": verb, "with": given} | ({} if key is None else {"id": key})
