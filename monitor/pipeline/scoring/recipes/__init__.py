"""Recipes: named, versioned ways to score and judge windows; one file each, and a line in `registry`."""
