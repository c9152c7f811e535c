"""Where things lie: the repository, what was built in it, and what the suite makes."""

import os
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# Rivals, crates and plugins of the suite, and what it found.
OUT = TARGET / "bench"
BINARY = TARGET / "release/flowstone"
