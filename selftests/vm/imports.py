#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that no file imports another in a circle, and that the module's imports run downwards.

Reads `use` and paths (`crate::`, `super::`, those of child modules) of the Rust crates that are
given as folders or their root files. Imports of a file by its tests are not looked at.
"""

import pathlib
import re
import sys

# The rooms of the module, from the top: each imports only those that come after it.
ROOMS = """
    rlvs_main namespace
    ipvs netlink
    packet periodic change
    event state
    sync drain
    config table
    service
    stats defence sysctl tracking family presence primitives
""".split()

# Comments, and characters and strings, in which anything may be.
ASIDE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?'(?:\\.|[^'\\])'|r#".*?"#|"(?:\\.|[^"\\])*\"""", re.S
)
TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{.*", re.S)
CHILD = re.compile(r"(#\[cfg\(test\)\]\s*)?(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod (\w+);")
INLINE = re.compile(r"\bmod (\w+) \{")
USE = re.compile(r"\buse ([^;]+);")
PATH = re.compile(r"(?<![\w:])((?:crate|super|self|[a-z_][a-z0-9_]*)(?:::\w+)+)")


def leaves(tree):
    """The paths of a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`."""
    tree = " ".join(tree.split())
    opening = tree.find("{")
    if opening < 0:
        yield tree.split(" as ")[0].strip()
        return
    prefix, inside, depth, part = tree[:opening].strip(), tree[opening + 1 : tree.rindex("}")], 0, ""
    for char in inside + ",":
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            if part.strip():
                for leaf in leaves(part.strip()):
                    yield prefix + leaf
            part = ""
        else:
            part += char


class Crate:
    """The files of a crate, by the path of their module."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {}
        self.texts = {}
        self.children = {}
        # Modules that are in the file itself: `super` of one that is in there names another.
        self.inline = {}
        self.read((), self.root)

    def read(self, module, path):
        text = TESTS.sub("", ASIDE.sub(" ", path.read_text()))
        self.files[module], self.texts[module] = path, text
        self.children[module] = set()
        self.inline[module] = set(INLINE.findall(text))
        folder = path.with_suffix("") if module else path.parent
        for test, name in CHILD.findall(text):
            child = folder / f"{name}.rs"
            if test or not child.exists():
                continue
            self.children[module].add(name)
            self.read((*module, name), child)

    def resolve(self, module, path):
        """The module whose file has what the path names; None of another crate's."""
        parts = [part for part in path.split("::") if part]
        if parts[0] == "crate":
            at, parts = (), parts[1:]
        elif parts[0] == "self":
            at, parts = module, parts[1:]
        elif parts[0] == "super" and parts[1] in self.inline[module]:
            return module
        elif parts[0] == "super":
            at = module
            while parts and parts[0] == "super":
                at, parts = at[:-1], parts[1:]
        elif parts[0] in self.children[module]:
            at = module
        else:
            return None
        for part in parts:
            if part not in self.children[at]:
                break
            at = (*at, part)
        return at

    def imports(self):
        """Which file imports which, as modules."""
        graph = {}
        for module, text in self.texts.items():
            found = set()
            for tree in USE.findall(text):
                found.update(self.resolve(module, leaf) for leaf in leaves(tree))
            for path in PATH.findall(USE.sub("", text)):
                found.add(self.resolve(module, path))
            graph[module] = found - {None, module}
        return graph


def circles(graph):
    """The sets of modules that import each other (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = []
            while True:
                members.append(stack.pop())
                if members[-1] == node:
                    break
            if len(members) > 1:
                found.append(members)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def room(module):
    return module[0] if module else "rlvs_main"


def complaints(crate, has_rooms):
    """What is wrong with the imports of a crate, a line each."""
    graph = crate.imports()
    name = {module: str(path) for module, path in crate.files.items()}
    for members in circles(graph):
        inside = set(members)
        yield f"{len(members)} files import each other in a circle:"
        for member in sorted(members):
            for other in sorted(graph[member] & inside):
                yield f"    {name[member]} imports {name[other]}"
    if not has_rooms:
        return
    for module in sorted(graph):
        if room(module) not in ROOMS:
            yield f"{name[module]}: its room is not in the list of {sys.argv[0]}"
            continue
        for other in sorted(graph[module]):
            if room(other) in ROOMS and ROOMS.index(room(other)) < ROOMS.index(room(module)):
                yield f"{name[module]} imports upwards: {name[other]}"


def main():
    lines = []
    for root in sys.argv[1:]:
        lines += complaints(Crate(root), pathlib.Path(root).name == "rlvs_main.rs")
    print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
