"""From history to models: fitting detectors and stream profiles, and serving workers with the result."""
