"""Runs one command and says what it cost: `launcher.py FOLDER OUTPUT ERRORS COMMAND...`, by `suite.process` alone.

The kernel counts the memory of the process that starts a command as the command's, until it becomes another program. So
a command is started from here, an interpreter with nothing loaded (9 MB), and not from the suite itself.
"""

import os
import sys
import time


def main() -> None:
    folder, output, errors, *command = sys.argv[1:]
    os.chdir(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600), (os.POSIX_SPAWN_OPEN, 2, errors, flags, 0o600)]
    start = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


main()
