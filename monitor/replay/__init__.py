"""The past, judged again: files scored row by row, and bounded ranges under a run name of their own."""
