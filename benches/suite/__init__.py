"""What all benchmarks share: measuring processes, rivals, figures, and the tables and plots made of them."""
