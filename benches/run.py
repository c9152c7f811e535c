#!/usr/bin/env python3
"""All benchmarks in one run: figures as JSON, tables and plots.

    cargo build --release && benches/run.py [--only w1,w3] [--quick] [--publish]

Rivals are installed into target/bench; one that cannot be had is said to be missing. It needs Python 3.11.
"""

from batch.run import BATCHES
from calls.run import CALLS
from documents.run import DOCUMENTS
from growth.run import GROWTH
from live.run import LIVE
from nodes.run import NODES
from pages.run import PAGES
from suite import cli

if __name__ == "__main__":
    cli.main([DOCUMENTS, PAGES, NODES, CALLS, BATCHES, LIVE, GROWTH], __doc__)
