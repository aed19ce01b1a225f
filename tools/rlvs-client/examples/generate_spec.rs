// SPDX-License-Identifier: GPL-2.0

//! Generates `src/spec.rs` from the netlink specification:
//! `cargo run --example generate_spec`. Its test shows that the file is fresh.
//!
//! Cargo builds the library first: run this before the library is adapted to a changed
//! specification.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

const SPECIFICATION: &str = "../../Documentation/netlink/specs/rlvs.yaml";
const GENERATED: &str = "src/spec.rs";

const HEADER: &str = "\
// SPDX-License-Identifier: GPL-2.0

//! Numbers, names and types of the netlink family, generated from
//! `Documentation/netlink/specs/rlvs.yaml`: do not edit. To generate it anew,
//! run `cargo run --example generate_spec`.

// A specification holds more than the tool uses.
#![allow(dead_code)]
";

fn main() {
    std::fs::write(path(GENERATED), fresh_module()).expect("src/spec.rs can be written");
}

#[test]
fn generated_module_is_fresh() {
    let present = std::fs::read_to_string(path(GENERATED)).unwrap();
    assert!(
        present == fresh_module(),
        "src/spec.rs is stale: run cargo run --example generate_spec"
    );
}

/// A file of the package.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The module that follows from the specification now.
fn fresh_module() -> String {
    let text = std::fs::read_to_string(path(SPECIFICATION)).expect("the specification is there");
    let documents = YamlLoader::load_from_str(&text).expect("the specification is YAML");
    module(&documents[0])
}

/// The text of the module.
fn module(specification: &Yaml) -> String {
    let mut text = HEADER.to_string();
    let name = string(&specification["name"]);
    writeln!(text, "\n/// Name of the family.").unwrap();
    writeln!(text, "pub const FAMILY_NAME: &str = \"{name}\";").unwrap();
    writeln!(text, "/// Version of the family.").unwrap();
    // The schema has no version: a family that starts with it has version 1.
    writeln!(text, "pub const FAMILY_VERSION: u8 = 1;").unwrap();
    for group in list(&specification["mcast-groups"]["list"]) {
        let (name, constant) = (string(&group["name"]), constant(&group["name"]));
        writeln!(text, "/// Name of a multicast group.").unwrap();
        writeln!(text, "pub const GROUP_{constant}: &str = \"{name}\";").unwrap();
    }
    for definition in list(&specification["definitions"]) {
        match string(&definition["type"]) {
            "enum" => enumeration(&mut text, definition),
            "flags" => flags(&mut text, definition),
            _ => {}
        }
    }
    let sets = list(&specification["attribute-sets"]);
    for set in sets {
        if set["subset-of"].is_badvalue() {
            attribute_set(&mut text, set, sets);
        }
    }
    commands(&mut text, &specification["operations"]);
    text
}

/// The names of an enum's values, which count from 0.
fn enumeration(text: &mut String, definition: &Yaml) {
    assert!(definition["value-start"].is_badvalue());
    let entries = list(&definition["entries"]);
    writeln!(text).unwrap();
    doc(text, "", &definition["doc"]);
    writeln!(text, "/// The value is the position in the list.").unwrap();
    writeln!(text, "#[rustfmt::skip]").unwrap();
    let name = constant(&definition["name"]);
    writeln!(text, "pub const {name}: [&str; {}] = [", entries.len()).unwrap();
    for entry in entries {
        assert!(entry["value"].is_badvalue());
        writeln!(text, "    \"{}\",", string(&entry["name"])).unwrap();
    }
    writeln!(text, "];").unwrap();
}

/// The names of flags with their bits. Without a number a flag has the bit after the last one.
fn flags(text: &mut String, definition: &Yaml) {
    let entries = list(&definition["entries"]);
    writeln!(text).unwrap();
    doc(text, "", &definition["doc"]);
    writeln!(text, "/// Names and bits.").unwrap();
    writeln!(text, "#[rustfmt::skip]").unwrap();
    let name = constant(&definition["name"]);
    writeln!(
        text,
        "pub const {name}: [(&str, u32); {}] = [",
        entries.len()
    )
    .unwrap();
    let mut number = 0;
    for entry in entries {
        number = entry["value"].as_i64().unwrap_or(number);
        writeln!(text, "    (\"{}\", 1 << {number}),", string(&entry["name"])).unwrap();
        number += 1;
    }
    writeln!(text, "];").unwrap();
}

/// A module with the attributes of a set. They count from 1.
fn attribute_set(text: &mut String, set: &Yaml, sets: &[Yaml]) {
    let name = string(&set["name"]);
    let attributes = list(&set["attributes"]);
    writeln!(text).unwrap();
    doc(text, "", &set["doc"]);
    writeln!(text, "pub mod {} {{", name.replace('-', "_")).unwrap();
    writeln!(text, "    #[allow(unused_imports)]").unwrap();
    writeln!(
        text,
        "    use crate::attribute::{{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8}};"
    )
    .unwrap();
    for (attribute, number) in attributes.iter().zip(1..) {
        assert!(attribute["value"].is_badvalue());
        let name = string(&attribute["name"]);
        let constant = constant(&attribute["name"]);
        let kind = kind(attribute);
        writeln!(text).unwrap();
        doc(text, "    ", &attribute["doc"]);
        writeln!(
            text,
            "    pub const {constant}: Attr<{kind}> = Attr::new({number}, \"{name}\");"
        )
        .unwrap();
    }
    writeln!(text, "\n    /// All attributes of the set.").unwrap();
    writeln!(text, "    #[rustfmt::skip]").unwrap();
    writeln!(text, "    pub static SET: Set = Set {{").unwrap();
    writeln!(text, "        name: \"{name}\",").unwrap();
    writeln!(text, "        attributes: &[").unwrap();
    for attribute in attributes {
        let constant = constant(&attribute["name"]);
        let nested = match attribute["nested-attributes"].as_str() {
            Some(nested) => format!("Some(&super::{}::SET)", whole_set(nested, sets)),
            None => "None".to_string(),
        };
        writeln!(text, "            {constant}.entry({nested}),").unwrap();
    }
    writeln!(text, "        ],\n    }};\n}}").unwrap();
}

/// The set itself, or the one that it is a part of, as a module name.
fn whole_set(name: &str, sets: &[Yaml]) -> String {
    let set = sets.iter().find(|set| string(&set["name"]) == name);
    let whole = set.unwrap()["subset-of"].as_str().unwrap_or(name);
    whole.replace('-', "_")
}

/// The type parameter that stands for an attribute's type.
fn kind(attribute: &Yaml) -> &'static str {
    let kind = string(&attribute["type"]);
    let order = attribute["byte-order"].as_str();
    match (kind, order) {
        ("u8", None) => "U8",
        ("u16", Some("big-endian")) => "U16Be",
        ("u32", None) => "U32",
        ("uint", None) => "Uint",
        ("string", None) => "Text",
        ("binary", None) => "Binary",
        ("flag", None) => "Flag",
        ("nest", None) => "Nest",
        other => panic!("attribute type {other:?} has no counterpart in src/attribute.rs"),
    }
}

/// The commands. They count from 1.
fn commands(text: &mut String, operations: &Yaml) {
    writeln!(text, "\n/// The commands of the family.").unwrap();
    writeln!(text, "pub mod command {{").unwrap();
    writeln!(text, "    use crate::request::Command;").unwrap();
    for (operation, number) in list(&operations["list"]).iter().zip(1..) {
        assert!(operation["value"].is_badvalue());
        let set = string(&operation["attribute-set"]).replace('-', "_");
        writeln!(text).unwrap();
        doc(text, "    ", &operation["doc"]);
        let constant = constant(&operation["name"]);
        writeln!(text, "    pub static {constant}: Command = Command {{").unwrap();
        writeln!(text, "        number: {number},").unwrap();
        writeln!(text, "        attributes: &super::{set}::SET,").unwrap();
        writeln!(text, "    }};").unwrap();
    }
    writeln!(text, "}}").unwrap();
}

/// A doc comment.
fn doc(text: &mut String, indent: &str, doc: &Yaml) {
    for line in string(doc).trim_end().lines() {
        writeln!(text, "{indent}/// {}", line.trim_end().replace("``", "`")).unwrap();
    }
}

/// A name of the specification as a constant's.
fn constant(name: &Yaml) -> String {
    string(name).replace('-', "_").to_uppercase()
}

fn string(value: &Yaml) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value:?} is no string"))
}

fn list(value: &Yaml) -> &[Yaml] {
    value
        .as_vec()
        .unwrap_or_else(|| panic!("{value:?} is no list"))
}
