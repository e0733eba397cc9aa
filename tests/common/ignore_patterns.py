"""Files, and patterns that a person may write into a file of ignored ones."""

from hypothesis import strategies as st

FILES = ["a.py", "a.txt", "b.txt", "d/a.py", "d/a.txt", "d/e/a.txt", "d/e/c.py", "x y/a.txt", "é/a.py"]
PIECES = st.sampled_from(["a", "*", "d", "e", "a.txt", "*.py", "?.txt", "[ab].*", "x y", "é", "c.py"])
# `**` only where git's manual gives it a meaning; elsewhere pathspec and git read it differently.
PATTERNS = st.builds(
    lambda negate, root, pieces, folder: f"{negate}{root}{'/'.join(pieces)}{folder}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/", "**/"]),
    st.lists(PIECES, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
) | st.sampled_from(
    [
        "*",
        "!*/",
        "d/**",
        "/d/e/**",
        "*/**",
        "!*.py",
        "d/**/a.txt",
        "!d/**/c.py",
        "# no",
        "\\#",
        " a.py",
        "a.py ",
    ]
)
