"""Runs the listener as a service, and runs it again after an end that may pass, five seconds later."""

import os
import signal
import subprocess
import sys
import threading
import time

LISTENER = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "bin", "Runner.Listener")
# A real service gives a listener that was asked to end so many seconds.
PATIENCE = 30
MOST_RETRIES = 10
PAUSE = float(os.environ.get("STANDIN_RELAUNCH") or 5)


class Service:
    """One service, with the listener that runs now."""

    def __init__(self):
        self.stopping = False
        self.listener = None
        self.retries = 0
        self.unknown = 0

    def stop(self, *_):
        """The handler of SIGINT and SIGTERM."""
        print("Shutting down runner listener", flush=True)
        self.stopping = True
        if self.listener is not None:
            self.listener.send_signal(signal.SIGINT)
            killer = threading.Timer(PATIENCE, self.listener.kill)
            killer.daemon = True
            killer.start()

    def run_once(self):
        """Runs the listener to its end. Returns its exit code."""
        self.listener = subprocess.Popen([LISTENER, "run", "--startuptype", "service"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print("Started listener process, pid: %d" % self.listener.pid, flush=True)
        for line in self.listener.stdout:
            if b"Listening for Jobs" in line:
                self.retries = self.unknown = 0
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        return self.listener.wait()

    def ended(self, code):
        """Decides by the exit code whether the service ends."""
        print("Runner listener exited with error code %d" % code, flush=True)
        if code in (0, 1, 5):
            self.stopping = True
        elif code in (2, 3, 4):
            self.unknown = 0
            self.retries += 1
            self.stopping = self.stopping or self.retries >= MOST_RETRIES
        else:
            self.retries = 0
            self.unknown += 1
            most = int(os.environ.get("GITHUB_ACTIONS_SERVICE_EXIT_AFTER_N_FAILURES") or 0)
            self.stopping = self.stopping or 0 < most <= self.unknown

    def run(self):
        """Runs the service to its end."""
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        print("Started running service", flush=True)
        while not self.stopping:
            self.ended(self.run_once())
            if not self.stopping:
                time.sleep(PAUSE)


Service().run()
