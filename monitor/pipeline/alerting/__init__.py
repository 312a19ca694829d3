"""From judged windows and stream health to the alerts of each stream."""
