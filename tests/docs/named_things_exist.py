#!/usr/bin/env python3
"""Every file and every test that the documents name must exist.

Looks at backticked words: a path with a known first folder is a file, `Suite.Name` a test
(GoogleTest, or ctest's own). Each row of docs/internals/bounds.md must name one. Exit 1 with a line for
each that is missing.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "docs/internals/bounds.md", "docs/case-study.md", "docs/life-of-a-packet.md", "docs/own-cipher.md", "docs/backup.md", "docs/install.md", "docs/jobs.md", "docs/messages.md", "examples/water-meter/README.md", "SECURITY.md"]
FOLDERS = ("src/", "tests/", "docs/", "queries/", "profiles/", "tools/", "examples/", "bench/", "fuzz/")


def tests():
    names = set()
    for path in TOP.glob("tests/**/*.cc"):
        for suite, name in re.findall(r"TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", path.read_text()):
            names.add(f"{suite}.{name}")
    for path in TOP.glob("tests/**/CMakeLists.txt"):
        names.update(re.findall(r"add_test\(NAME\s+([\w.]+)", path.read_text()))
        names.update(re.findall(r"\b([A-Z]\w+\.[A-Z]\w+)\b", path.read_text()))
    return names


def files_below_src(document):
    """life-of-a-packet names files below src/ without saying so."""
    return document.endswith("life-of-a-packet.md")


def rows_without_a_test(document):
    for row in (TOP / document).read_text().splitlines():
        if not row.startswith("| ") or row.startswith("| what "):
            continue
        if not re.search(r"`[A-Z]\w+\.[A-Z]\w+`", row.rstrip("| ").rpartition("|")[2]):
            yield f"{document}: no test in the row {row}"


def main():
    known_tests = tests()
    missing = list(rows_without_a_test("docs/internals/bounds.md"))
    for document in DOCUMENTS:
        text = (TOP / document).read_text()
        for word in re.findall(r"`([^`\s]+)`", text):
            if re.fullmatch(r"[A-Z]\w+\.[A-Z]\w+", word):
                if word not in known_tests:
                    missing.append(f"{document}: no test {word}")
            elif word.startswith(FOLDERS):
                if not (TOP / word).exists():
                    missing.append(f"{document}: no file {word}")
            elif files_below_src(document) and re.fullmatch(r"[a-z_]+/[\w/-]+\.(cc|h|js)", word):
                if not (TOP / "src" / word).exists():
                    missing.append(f"{document}: no file src/{word}")
    print("\n".join(missing) or "every file and test named exists")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
