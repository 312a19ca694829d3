"""What travels between the stages: columnar batches on the hot path, small frozen dataclasses beside it."""
