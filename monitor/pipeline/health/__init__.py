"""Whether the streams themselves are well: values out of range, frozen sensors, silent streams and families."""
