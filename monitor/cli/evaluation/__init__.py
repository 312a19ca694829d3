"""`watchkeeper evaluate` on public benchmarks: what each measures, how it is run, compared and shown."""
