"""How good a detector is: metrics over labelled windows, and a report with pictures."""
