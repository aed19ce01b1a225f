#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Compares what Documentation/ lists of the code with the code, and writes what follows from it.

usage: doc_lists.py [--write] [ROOT]

- Each field that CPUs share has a line `Guarded by:` in its doc comment. A row of
  Documentation/locking.rst names it and begins with the same words. C variables have a row.
- Each file of rust/kext has a line `Upstream:`. The table of Documentation/kernel-crate-gaps.rst is
  made of these lines: --write puts it between its markers.
- A `// SAFETY: As in ...` of rust/kext names a function of its file.
- The counters of the netlink specification are those of Documentation/usage.rst, the options that
  Kbuild asks for those of Documentation/building.rst.
- A file of the project that a document names exists.

Prints a line for each difference; the exit status is 1 if there is any. Files are found by walking
over ROOT, so that they may be moved.
"""

import pathlib
import re
import sys
import textwrap

# Of these types a field is changed by several CPUs; `W` and `B` are the atomic words of rust/core.
SHARED = re.compile(r"\b(Atomic|AtomicFlag|Rcu|Mutex|SpinLock|SpinLockBh|PerCpuCounters|Opaque)\b")
WORD = re.compile(r"\[?[WB](;|$)")
ITEM = re.compile(r"(?:pub(?:\([^)]*\))? )?(?P<kind>struct|static) (?P<name>\w+)")
FIELD = re.compile(r"    (?:pub(?:\([^)]*\))? )?(?P<name>\w+): (?P<type>.+?),?$")
GUARD = re.compile(r"\s*/// Guarded by: (.*)\.$")
VARIABLE = re.compile(r"static (?!const [^*]*$)(?:DEFINE_\w+\((?:\w+, )?|DECLARE_\w+\()?[\w *]*?"
                      r"\b(?P<name>rlvs_\w+)(?:\[| =| __\w+|;|,|\))")
# Not the kernel's own files.
NAMED_FILE = re.compile(r"``(?!(?:include/(?!.*rlvs)|lib/|net/))([a-z\d_./-]+\.(?:rs|py|[ch]|sh|rst|conf))``")
BEGIN, END = ".. Written by selftests/vm/doc_lists.py from rust/kext\n", ".. End of what is written\n"


def sources(root, pattern, *without):
    """The project's files below a folder, in order, but for those in folders with these names."""
    for path in sorted(root.rglob(pattern)):
        if not {"target", *without} & set(path.relative_to(root).parts):
            yield path


def plain(text):
    """Text of a comment or a document without line breaks and marks."""
    return " ".join(text.replace("``", "`").split())


def guards(path, is_core):
    """The fields and statics of a Rust file: (name, whether it is shared, what guards it or None)."""
    item, guard = None, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "mod tests {":
            return
        found = GUARD.match(line)
        if found:
            guard = found[1]
            continue
        if re.match(r"\s*(///|#)", line):
            continue
        head = ITEM.match(line)
        field = item and FIELD.match(line)
        if head:
            is_shared = head["kind"] == "static" and bool(SHARED.search(line))
            item = head["name"] if line.endswith("{") else None
            if guard or is_shared:
                yield head["name"], is_shared, guard
        elif field:
            is_word = is_core and WORD.match(field["type"])
            is_shared = bool(is_word or SHARED.search(field["type"]))
            if guard or is_shared:
                yield f"{item}.{field['name']}", is_shared, guard
        elif line == "}":
            item = None
        guard = None


def rows(text):
    """The rows of a document's tables: the names in the first cell, and the second cell."""
    for first, second in re.findall(r"^   \* - (.*?)\n     - (.*?)(?=\n   \* |\n\n|\Z)", text,
                                    re.DOTALL | re.MULTILINE):
        names, owner = [], ""
        for name in re.findall(r"``([\w.]+)``", first):
            owner = owner if name.startswith(".") else name.split(".", maxsplit=1)[0]
            names.append(owner + name if name.startswith(".") else name)
        yield names, plain(second)


def fields_of(root, text):
    """What is wrong with the tables of fields."""
    listed = {name: cell for names, cell in rows(text) for name in names}
    known = {}
    for path in sources(root / "rust", "*.rs", "tests"):
        for name, is_shared, guard in guards(path, root / "rust/core" in path.parents):
            known[name] = guard
            if guard is None:
                yield f"{path.relative_to(root)}: {name} is shared and has no line `Guarded by:`"
            elif name not in listed:
                yield f"{path.relative_to(root)}: {name} has no row in locking.rst"
            elif not listed[name].startswith(plain(guard)):
                yield f"locking.rst: the row of {name} does not begin with \"{guard}\""
    code = "".join(path.read_text(encoding="utf-8") for path in sources(root / "rust", "*.[ch]"))
    for name in listed:
        in_c = name.startswith("rlvs_") and re.search(rf"\b{name.split('.')[-1]}\b", code)
        if name not in known and not in_c:
            yield f"locking.rst: no field or variable {name} is guarded"
    for path in sources(root / "rust", "*.c"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = VARIABLE.match(line)
            if found and found["name"] not in listed:
                yield f"{path.relative_to(root)}: {found['name']} has no row in locking.rst"


def upstream(root):
    """(file, what it is, its line `Upstream:` or None) of each file of rust/kext."""
    folder = root / "rust/kext"
    for path in sources(folder, "*.rs"):
        if path.name == "rlvs_kext.rs":
            continue  # the list of the others
        comment = "\n".join(line[4:] for line in path.read_text(encoding="utf-8").splitlines()
                            if line.startswith("//!"))
        paragraphs = [plain(paragraph) for paragraph in comment.split("\n\n")]
        line = next((p for p in paragraphs if p.startswith("Upstream: ")), None)
        yield str(path.relative_to(folder)), paragraphs[0], line and line.removeprefix("Upstream: ")


def safety_of(root):
    """Comments that refer to a function that is not there."""
    for path in sources(root / "rust/kext", "*.rs"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"// SAFETY:[^\n]*?\b[Aa]s in `(\w+)`", text):
            if not re.search(rf"\bfn {name}\b", text):
                yield f"{path.relative_to(root)}: a SAFETY comment refers to `{name}`, which is not there"


def cell(text, mark):
    """A cell of a list-table; links of Rust's documentation become names."""
    text = re.sub(r"\[(`[^`]*`)\](?:\([^)]*\))?", r"\1", text).replace("`", "``")
    return textwrap.fill(text, 100, initial_indent=f"   {mark} - ", subsequent_indent="       ",
                         break_long_words=False, break_on_hyphens=False)


def gaps(root):
    """The table of kernel-crate-gaps.rst."""
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - file in rust/kext",
             "     - what it holds", "     - upstream"]
    for name, text, line in upstream(root):
        lines += [cell(f"`{name}`", "*"), cell(text, " "), cell(line or "?", " ")]
    return "\n" + "\n".join(lines) + "\n\n"


def gaps_of(root, path, write):
    """What is wrong with kernel-crate-gaps.rst; with `write` its table is put right."""
    for name, _, line in upstream(root):
        if not line:
            yield f"rust/kext/{name}: no line `Upstream:`"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    right = before + BEGIN + gaps(root) + END + after
    if write:
        path.write_text(right, encoding="utf-8")
    elif text != right:
        yield f"{path.name}: the table is not that of rust/kext; run selftests/vm/doc_lists.py --write"


def section(path, title):
    """The text of a section of a document, up to the next one of its level."""
    text = path.read_text(encoding="utf-8")
    _, head, rest = text.partition(f"\n{title}\n{'=' * len(title)}\n")
    assert head, f"{path.name} has a section \"{title}\""
    return re.split(r"\n.+\n=+\n", rest)[0]


def counters(root):
    """The counters of the netlink specification."""
    text = (root / "Documentation/netlink/specs/rlvs.yaml").read_text(encoding="utf-8")
    [attributes] = re.findall(r"\n    name: counters\n(.*?)(?=\n  -\n|\n\w|\Z)", text, re.DOTALL)
    return {name.replace("-", "_") for name in re.findall(r"\n        name: (\S+)", attributes)}


def lists_of(root):
    """What is wrong with lists of names."""
    usage, building = root / "Documentation/usage.rst", root / "Documentation/building.rst"
    listed = {name for names, _ in rows(section(usage, "Counters")) for name in names}
    for name in sorted(listed ^ counters(root)):
        yield f"{usage.name}: the counter {name} is not in both the table and the specification"
    needed = re.findall(r"^rlvs_needs .*", (root / "Kbuild").read_text(encoding="utf-8"), re.MULTILINE)
    text = section(building, "For your own kernel")
    for option in re.findall(r"CONFIG_\w+", " ".join(needed)):
        if f"``{option}``" not in text:
            yield f"{building.name}: {option}, which Kbuild asks for, is missing"


def files_of(root):
    """Files that are named in a document and are not there."""
    there = {"/" + str(path.relative_to(root)) for folder in sorted(root.iterdir())
             if folder.name not in ("build", ".git") for path in sources(folder, "*.*")}
    for path in sources(root / "Documentation", "*.rst"):
        for name in NAMED_FILE.findall(path.read_text(encoding="utf-8")):
            if not any(one.endswith("/" + name) for one in there):
                yield f"{path.name}: there is no file {name}"


def main(arguments):
    write = "--write" in arguments
    folders = [one for one in arguments if one != "--write"]
    root = pathlib.Path(*folders or [pathlib.Path(__file__).resolve().parents[2]])
    documents = root / "Documentation"
    wrong = [*gaps_of(root, documents / "kernel-crate-gaps.rst", write),
             *fields_of(root, section(documents / "locking.rst", "Fields")), *safety_of(root),
             *lists_of(root), *files_of(root)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
