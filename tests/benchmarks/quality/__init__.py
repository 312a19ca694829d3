"""How well the default recipes detect, and simple detectors on the same rows."""
