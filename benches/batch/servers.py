"""NumaFlow's batch map servers, and what answering a client costs them."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from suite import rivals
from suite.process import Failed, cpu_seconds, measure

HERE = Path(__file__).resolve().parent
PYNUMAFLOW = "pynumaflow==0.14.0"
START_S_MAX = 30


@dataclass(frozen=True)
class Load:
    """What a client sends: so many messages, in batches, of payloads in a file; and what the counts must add up to."""

    payloads: Path
    rows: int
    batch: int
    total: int


def python_server() -> list:
    """The command of pynumaflow's server."""
    return [rivals.python(PYNUMAFLOW), HERE / "server.py"]


def rust_server() -> list:
    """The command of the server of the Rust SDK. Its client is that of pynumaflow."""
    rivals.python(PYNUMAFLOW)
    return [rivals.crate(HERE / "numaflow/Cargo.toml", "words-server")]


def served(server: list, load: Load) -> dict[str, float]:
    """CPU seconds of the server for all messages, those of the client, and the time that it took."""
    with tempfile.TemporaryDirectory() as name, open(f"{name}/log", "w+") as log:
        socket, info = Path(name) / "map.sock", Path(name) / "info"
        process = subprocess.Popen([*server, socket, info], stdout=log, stderr=log)
        try:
            _wait(process, socket, log)
            client = [rivals.python(PYNUMAFLOW), HERE / "client.py", socket]
            # Once to warm it up.
            measure([*client, load.batch * 4, load.batch, load.payloads])
            before = cpu_seconds(process.pid)
            cost = measure([*client, load.rows, load.batch, load.payloads])
            server_cpu = cpu_seconds(process.pid) - before
        finally:
            process.kill()
            process.wait()
    seconds, found = cost.output.split()
    if int(found) != load.total:
        raise Failed(f"{server} counted {found} words, not {load.total}")
    return {"calls": server_cpu / load.rows, "all": (server_cpu + cost.cpu) / load.rows, "rate": load.rows / float(seconds)}


def _wait(process: subprocess.Popen, socket: Path, log) -> None:
    deadline = time.monotonic() + START_S_MAX
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise Failed(f"{process.args} does not serve: {log.read()[-2000:]}")
        time.sleep(0.05)
