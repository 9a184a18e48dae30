"""The log of a program in _diag, line by line: what is not in it has not happened yet."""

import os
import time

import configure


class Diag:
    """A log of its own for each process."""

    def __init__(self, program):
        os.makedirs(configure.path("_diag"), exist_ok=True)
        name = time.strftime(program + "_%Y%m%d-%H%M%S-utc.log", time.gmtime())
        self.file = open(configure.path(os.path.join("_diag", name)), "ab", buffering=0)

    def write(self, level, source, text):
        """Writes a line."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        self.file.write(("[%s %s %s] %s\n" % (stamp, level, source, text)).encode())

    def info(self, source, text):
        """Writes a line of a usual event."""
        self.write("INFO", source, text)

    def error(self, source, text):
        """Writes a line of an error."""
        self.write("ERR ", source, text)

    def say(self, text):
        """Writes a line to standard output too, with the time."""
        line = "%s: %s" % (time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()), text)
        self.info("Terminal", "WRITE LINE: " + line)
        print(line, flush=True)
