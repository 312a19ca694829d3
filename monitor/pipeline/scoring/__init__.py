"""From windows to scores: per-stream scaling, the cold-start statistic, and the explanation of a score."""
