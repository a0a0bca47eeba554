//! Compiles the variadic function that the C entries log to.

fn main() {
    println!("cargo::rerun-if-changed=c/quiet.c");
    cc::Build::new()
        .file("c/quiet.c")
        .warnings(true)
        .extra_warnings(true)
        .compile("dm_fuzz_quiet");
}
