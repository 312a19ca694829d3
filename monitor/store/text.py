"""Text as both databases take it."""


def storable(text: str) -> str:
    """NUL and lone surrogates, which a broken record may bring, are written out."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
