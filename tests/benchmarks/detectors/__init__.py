"""Every kind of detector on the same windows. It needs `models`, numpy, pandas and scikit-learn, and no `monitor`."""
