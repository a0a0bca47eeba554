//! Compiles the C shim of the variadic functions into the archive.

fn main() {
    println!("cargo::rerun-if-changed=c/variadic.c");
    cc::Build::new()
        .file("c/variadic.c")
        .pic(true)
        .warnings(true)
        .extra_warnings(true)
        .flag_if_supported("-Wno-format-nonliteral")
        .compile("dm_variadic");
}
