//! Prototypes, layouts and constants as compilers see them: Debian's header against ours by libabigail's abidiff and by a
//! program, our header against what the library really takes by the DWARF of both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use compat_tests::library;
use compat_tests::oracle::top;
use gimli::{AttributeValue, DebuggingInformationEntry as Entry, EndianSlice, LittleEndian, Unit, UnitOffset};
use object::{Object, ObjectSection};

/// What our header has beyond Debian's 1.02.185 in types that both have, as abidiff tells it.
const ADDED: [&str; 1] = ["'dm_report_group_type_e::DM_REPORT_GROUP_JSON_STD' value '3'"];
/// How many functions Debian's header declares, and how many structures it defines.
const SHARED: (usize, usize) = (429, 25);
/// Where the values of both headers differ on purpose: Debian's names a macro that does not exist.
const DIFFERENT_VALUES: [&str; 1] = ["DM_CACHE_METADATA_MAX_SECTORS"];

/// Columns of a table of the ABI.
fn table(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(top().join("capi/abi").join(name)).unwrap();
    let rows = text.lines().skip(1);
    rows.map(|line| line.split('\t').map(String::from).collect()).collect()
}

/// Debian's header, from libdevmapper-dev.
fn debian_header() -> String {
    std::fs::read_to_string("/usr/include/libdevmapper.h").expect("libdevmapper-dev is installed")
}

/// The words of a text.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect()
}

/// The functions of the tables that a header may declare.
fn functions() -> Vec<String> {
    let mut names: Vec<String> = table("prototypes.tsv").into_iter().map(|r| r[0].clone()).collect();
    names.retain(|name| name != "hweight32");
    names
}

/// One variable per function and structure, pointers to them, so that an object file has all their types.
fn variables(functions: &[String], structs: &[String]) -> String {
    let mut c = String::from("#include <stdarg.h>\n#include <libdevmapper.h>\n");
    for name in functions {
        writeln!(c, "__typeof__({name}) *p_{name};").unwrap();
    }
    for name in structs {
        let kind = if name == "dm_config_value_u" { "union" } else { "struct" };
        writeln!(c, "{kind} {name} *s_{name};").unwrap();
    }
    c
}

/// Runs a compiler on `source` with our header or the system's, `options` at the end.
fn compile(source: &Path, ours: bool, options: &[&str], to: &Path) {
    let mut cc = Command::new("cc");
    cc.args(["-g", "-O0", "-w", "-std=gnu17"]);
    if ours {
        cc.arg("-I").arg(top().join("include"));
    }
    let output = cc.args(options).arg("-o").arg(to).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn prototypes_and_layouts_of_debian() {
    let debian = debian_header();
    let there = words(&debian);
    let functions: Vec<String> = functions().into_iter().filter(|f| there.contains(f.as_str())).collect();
    let structs: BTreeSet<String> = table("layouts.tsv")
        .into_iter()
        .filter(|r| {
            r[1] != "opaque" && !r[0].starts_with("union ") && debian.contains(&format!(" {}{{", r[0].clone() + " "))
        })
        .map(|r| r[0].clone())
        .collect();
    let structs: Vec<String> = structs.into_iter().collect();
    assert_eq!(
        (functions.len(), structs.len()),
        SHARED,
        "functions and structures of Debian's header"
    );
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("abi.c");
    std::fs::write(&source, variables(&functions, &structs)).unwrap();
    let objects = ["debian.o", "ours.o"].map(|name| dir.path().join(name));
    for (object, ours) in objects.iter().zip([false, true]) {
        compile(&source, ours, &["-fPIC", "-c"], object);
    }
    let output = Command::new("abidiff")
        .arg("--harmless")
        .args(&objects)
        .output()
        .expect("abidiff (abigail-tools)");
    let report = String::from_utf8(output.stdout).unwrap();
    // Bits 0 and 1 are mistakes of use and of abidiff itself.
    assert_eq!(output.status.code().map(|c| c & 3), Some(0), "{report}");
    // Whatever is reported must be the insertion of a known constant.
    let summary = format!(
        "Variables changes summary: 0 Removed, {} Changed, 0 Added variable",
        ADDED.len()
    );
    assert!(report.contains(&summary), "{report}");
    for line in report.lines().map(str::trim) {
        let harmless = ["removed", "deletion", "offset changed", "size changed from", "has been"];
        assert!(!harmless.iter().any(|bad| line.contains(bad)), "{report}");
        if line.contains("' value '") {
            assert!(ADDED.contains(&line), "{report}");
        }
    }
    for added in ADDED {
        assert!(report.contains(added), "{added} is not new any more");
    }
}

#[test]
fn constants_of_debian() {
    let debian = debian_header();
    let there = words(&debian);
    let mut c = String::from("#include <libdevmapper.h>\n#include <stdio.h>\nint main(void) {\n");
    let mut count = 0;
    for row in table("enums.tsv") {
        if there.contains(row[1].as_str()) {
            writeln!(
                c,
                "  printf(\"{0} %lld %zu\\n\", (long long) {0}, sizeof({0}));",
                row[1]
            )
            .unwrap();
            count += 1;
        }
    }
    for row in table("macros.tsv") {
        let (name, value) = (row[1].as_str(), row.get(2).map_or("", String::as_str));
        if row[0] != "object" || value.is_empty() || !there.contains(name) || DIFFERENT_VALUES.contains(&name) {
            continue;
        }
        if value.starts_with('"') {
            writeln!(c, "  printf(\"{name} %s\\n\", {name});").unwrap();
        } else {
            writeln!(
                c,
                "  printf(\"{name} %lld %zu\\n\", (long long) {name}, sizeof({name}));"
            )
            .unwrap();
        }
        count += 1;
    }
    c.push_str("  return 0;\n}\n");
    assert!(count > 150, "{count} constants in both headers");
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("constants.c");
    std::fs::write(&source, c).unwrap();
    let [debian, ours] = [false, true].map(|ours| {
        let program = dir.path().join(format!("constants-{ours}"));
        compile(&source, ours, &[], &program);
        let output = Command::new(&program).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(debian, ours);
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Die<'a, 'u> = Entry<'u, 'u, Slice<'a>>;

/// A type as the calling convention sees it: `p` for pointers, `i4`, `u8`, `f8` and so on, `e4` for enumerations.
type Class = String;
/// Result and parameters; a variable list of them ends in `...`.
type Signature = (Class, Vec<Class>);

struct Debug<'a> {
    dwarf: gimli::Dwarf<Slice<'a>>,
}

impl<'a> Debug<'a> {
    fn load(file: &object::File<'a>) -> Self {
        let section = |id: gimli::SectionId| -> Result<Slice<'a>, gimli::Error> {
            let data = file.section_by_name(id.name()).map_or(&[][..], |s| s.data().unwrap());
            Ok(EndianSlice::new(data, LittleEndian))
        };
        Self {
            dwarf: gimli::Dwarf::load(section).unwrap(),
        }
    }

    fn name(&self, unit: &Unit<Slice<'a>>, die: &Die<'a, '_>, at: gimli::DwAt) -> Option<String> {
        let value = die.attr_value(at).unwrap()?;
        let name = self.dwarf.attr_string(unit, value).unwrap();
        Some(name.to_string_lossy().into_owned())
    }

    /// The class of what the `DW_AT_type` of an entry names.
    fn class(&self, unit: &Unit<Slice<'a>>, die: &Die<'a, '_>) -> Class {
        let Some(AttributeValue::UnitRef(at)) = die.attr_value(gimli::DW_AT_type).unwrap() else {
            return "void".into();
        };
        let ty = unit.entry(at).unwrap();
        let size = || {
            ty.attr_value(gimli::DW_AT_byte_size)
                .unwrap()
                .and_then(|v| v.udata_value())
                .unwrap_or(8)
        };
        match ty.tag() {
            gimli::DW_TAG_pointer_type => "p".into(),
            gimli::DW_TAG_enumeration_type => format!("e{}", size()),
            gimli::DW_TAG_base_type => {
                let Some(AttributeValue::Encoding(encoding)) = ty.attr_value(gimli::DW_AT_encoding).unwrap() else {
                    panic!("a base type without encoding");
                };
                let letter = match encoding {
                    gimli::DW_ATE_float => 'f',
                    gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => 'i',
                    gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_boolean => 'u',
                    other => panic!("{other}"),
                };
                match size() {
                    0 => "void".into(),
                    size => format!("{letter}{size}"),
                }
            }
            // Rust's optional pointer to a function, and C's list of arguments, which is passed by its address.
            gimli::DW_TAG_structure_type if size() == 8 => "p".into(),
            gimli::DW_TAG_array_type => "p".into(),
            _ => self.class(unit, &ty),
        }
    }

    /// Result and parameters of a function or of a type of functions.
    fn signature(&self, unit: &Unit<Slice<'a>>, at: UnitOffset) -> Signature {
        let mut tree = unit.entries_tree(Some(at)).unwrap();
        let root = tree.root().unwrap();
        let result = self.class(unit, root.entry());
        let mut params = Vec::new();
        let mut children = root.children();
        while let Some(child) = children.next().unwrap() {
            match child.entry().tag() {
                gimli::DW_TAG_formal_parameter => params.push(self.class(unit, child.entry())),
                gimli::DW_TAG_unspecified_parameters => params.push("...".into()),
                _ => (),
            }
        }
        (result, params)
    }

    /// The signatures of the functions that are defined here, and of variables `p_NAME` that point to functions.
    fn signatures(&self) -> BTreeMap<String, Signature> {
        let mut found = BTreeMap::new();
        let mut units = self.dwarf.units();
        while let Some(header) = units.next().unwrap() {
            let unit = self.dwarf.unit(header).unwrap();
            let mut entries = unit.entries();
            while let Some((_, die)) = entries.next_dfs().unwrap() {
                match die.tag() {
                    gimli::DW_TAG_subprogram if die.attr_value(gimli::DW_AT_low_pc).unwrap().is_some() => {
                        let name = self
                            .name(&unit, die, gimli::DW_AT_linkage_name)
                            .or_else(|| self.name(&unit, die, gimli::DW_AT_name));
                        if let Some(name) = name.filter(|n| n.starts_with("dm_")) {
                            found.insert(name, self.signature(&unit, die.offset()));
                        }
                    }
                    gimli::DW_TAG_variable => {
                        let Some(name) = self.name(&unit, die, gimli::DW_AT_name) else {
                            continue;
                        };
                        let Some(name) = name.strip_prefix("p_") else { continue };
                        let pointed = |die: &Die<'a, '_>| match die.attr_value(gimli::DW_AT_type).unwrap() {
                            Some(AttributeValue::UnitRef(at)) => at,
                            other => panic!("{name}: {other:?}"),
                        };
                        let pointer = unit.entry(pointed(die)).unwrap();
                        found.insert(name.to_string(), self.signature(&unit, pointed(&pointer)));
                    }
                    _ => (),
                }
            }
        }
        found
    }
}

/// Reads the signatures of an object file or library.
fn signatures(path: &Path) -> BTreeMap<String, Signature> {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    Debug::load(&file).signatures()
}

#[test]
fn the_library_takes_what_the_header_says() {
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("header.c"), dir.path().join("header.so"));
    let functions = functions();
    std::fs::write(&source, variables(&functions, &[])).unwrap();
    // Linked, since only then offsets into sections are filled in.
    compile(&source, true, &["-shared", "-fPIC"], &object);
    let (header, library) = (
        signatures(&object),
        signatures(&library::ours().join("libdevmapper.so.1.02.1")),
    );
    assert_eq!(header.len(), functions.len());
    // The walk over the types finds what is in them.
    let sample = |name: &str| {
        let (result, params) = &library[name];
        format!("{result} {}", params.join(" "))
    };
    assert_eq!(sample("dm_task_set_sector"), "i4 p u8");
    assert_eq!(sample("dm_percent_to_float"), "f4 i4");
    assert_eq!(sample("dm_snprintf"), "i4 p u8 p ...");
    assert_eq!(sample("dm_lib_release"), "void ");
    // An enumeration is an integer of its size on the other side.
    let same = |a: &Class, b: &Class| a == b || (a.starts_with('e') && a[1..] == b[1..] && "iue".contains(&b[..1]));
    let mut wrong = String::new();
    for (name, (result, params)) in &header {
        match library.get(name) {
            None => writeln!(wrong, "{name} is not in the library's debugging information").unwrap(),
            Some((got, given)) => {
                let equal = params.len() == given.len() && params.iter().zip(given).all(|(a, b)| same(a, b));
                if !same(result, got) || !equal {
                    writeln!(wrong, "{name}: header {result} {params:?}, library {got} {given:?}").unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
