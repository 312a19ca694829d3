"""Values that people and scripts give by mistake, or to do harm: texts for any option or argument of a command."""

from __future__ import annotations

from hypothesis import strategies as st

NUMBERS = (
    "-1", "0", "-0", "1", "2", "1.5", "-1.5", "1e400", "-1e400", "1e-400", "5e-324", "nan", "inf", "-inf", "0x10",
    "1_0", "٣", "1e3",
    str(2**31 - 1), str(2**31), str(2**32), str(2**53 + 1), str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64),
    f"-{2**63}", f"-{2**63 + 1}",
    str(10**30), f"-{10**30}", "9" * 400, "9" * 5000, f"0.{'0' * 400}1",
)  # fmt: skip
LENGTHS = (
    "0s", "-1s", "1ns", "10s", "1e3s", "1.5.5h", "25h61m", "9" * 400 + "d", "9125d", "9126d",
    "1" * 400 + "." + "1" * 400 + "ns",
    "10 s", "10s,20s", "none", "auto", "beat", "message", "100x", "max", "0x", "-5x", "infx", "nanx",
)  # fmt: skip
MOMENTS = (
    "2026-01-31", "2026-01-31T23:59:00Z", "2026-02-30", "0001-01-01", "9999-12-31T23:59:59.999999Z", "1677-01-01",
    "2263-01-01",
    "0001-01-01T00:00:00+23:59", "now", "2026-W05-6", "1700000000", "2026-01-31T24:00:00", "20260131T235900",
)  # fmt: skip
NAMES = (
    "", " ", "m-1", "-", "--", "-x", "--limit", "a\x00b", "\x00", "a\nb", "\r", "\x1b[2J", "\x9b31m", "\u202eabc",
    "\udcff\udcfe", "m\udc80.csv",
    "\ud800", "é" * 300, "x" * 10_000, "x" * 300, "😀", "a,b", ",", ",,", "=", "a=", "=a", "#1=a", "#0=a",
    "#99999999999999999999=a", "a=a", "*", "[", "[a", "**",
    "{a}", "{", "%", "%s%n", "%Y", "%(x)s", "'; DROP TABLE alerts; --", "%_", "\\", "live", "../../x", "value",
    "time", "timestamp",
    "utf-16", "utf-7", "rot13", "hex", "zip", "idna", "unicode_escape", "Europe/Berlin", "../etc/passwd", "/etc",
    "UTC", "localtime", "posix/UTC",
    "dense", "lstm", "mahalanobis", "open", "beats", "true", ".", "..", ";", "\t", "\"", "''", "\u2028", "\ufeff",
    "s", "ns",
)  # fmt: skip
ADDRESSES = (
    "sqlite://", "sqlite:///", "sqlite:///\x00", "sqlite:///:memory:", "sqlite:////", "sqlite:///x\udcff.db",
    "sqlite:///a.db?mode=ro", "sqlite:///a.db?x=y",
    "postgresql://", "postgresql://h:99999/x", "postgresql://h:p/x", "postgresql+psycopg://127.0.0.1:1/x",
    "mysql://h/x", "oracle://", "nonsense", "://", "http://a", "file:///etc/passwd",
    "postgresql://u:p@ss@127.0.0.1:1/x", "postgresql://[::1/x", "postgresql://127.0.0.1:1/x?connect_timeout=a",
    "postgresql://127.0.0.1:1/a%00b",
    "127.0.0.1:1", "127.0.0.1", ":1", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:1,127.0.0.1:1",
    "embedded",
)  # fmt: skip
TEXTS = (*NUMBERS, *LENGTHS, *MOMENTS, *NAMES, *ADDRESSES)
HOSTILE = st.sampled_from(TEXTS) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)
