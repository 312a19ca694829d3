"""Options of a detector by search, on normal data only and within a time budget. Needs Optuna: the extra `search`."""
