"""By what a discriminator scores: an option of `gan` and `alocc`. Apart from them, to be checked without torch."""

JUDGED_BY = ("features", "discriminator")
"""The distance of its features from those of normal windows, or -log D, its own word, as published."""
