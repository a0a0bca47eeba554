//! Every exported function that takes a pointer is called with NULL for all of them, in a process of its own: none may
//! crash, whatever it answers. (The reference crashes in most.) NULL in one place only is in `compat-tests/c/bad_null.c`.

use std::fmt::Write as _;
use std::process::Command;

use compat_tests::library;
use compat_tests::oracle::top;

/// Not called: the end of the library, what makes device nodes, and a va_list that no constant stands for.
const LEFT_OUT: [&str; 3] = ["dm_lib_exit", "dm_mknodes", "dm_vasprintf"];

#[test]
fn null_crashes_nothing() {
    let table = std::fs::read_to_string(top().join("capi/abi/prototypes.tsv")).unwrap();
    let mut source = String::from(
        "#include <libdevmapper.h>\n#include <fcntl.h>\n#include <stdio.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
         static void try(const char *name, void (*call)(void))\n{\n\tint status;\n\tpid_t pid = fork();\n\n\tif (!pid) {\n\
         \t\tint null = open(\"/dev/null\", O_RDWR);\n\n\t\tfor (int fd = 0; fd < 3; fd++)\n\t\t\tdup2(null, fd);\n\
         \t\talarm(60);\n\t\tcall();\n\t\t_exit(0);\n\t}\n\twaitpid(pid, &status, 0);\n\tif (!WIFEXITED(status))\n\
         \t\tprintf(\"%s: signal %d\\n\", name, WTERMSIG(status));\n}\n",
    );
    let mut calls = String::new();
    let mut count = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (name, parameters) = (columns[0], columns[3]);
        if !parameters.contains('*') || LEFT_OUT.contains(&name) {
            continue;
        }
        let arguments: Vec<&str> = parameters
            .split("; ")
            .map(|p| if p.contains('*') { "NULL" } else { "0" })
            .collect();
        writeln!(
            source,
            "static void call_{name}(void) {{ (void) {name}({}); }}",
            arguments.join(", ")
        )
        .unwrap();
        writeln!(calls, "\ttry(\"{name}\", call_{name});").unwrap();
        count += 1;
    }
    assert!(count > 350);
    let scratch = tempfile::tempdir().unwrap();
    // Some calls make the device directory and its control node.
    write!(
        source,
        "int main(void)\n{{\n\tdm_set_dev_dir(\"{}/dev\");\n{calls}\treturn 0;\n}}\n",
        scratch.path().display()
    )
    .unwrap();

    let (file, program) = (scratch.path().join("null.c"), scratch.path().join("null"));
    std::fs::write(&file, source).unwrap();
    // No warnings: NULL is what the compiler warns about.
    let compiled = Command::new("cc")
        .args(["-std=gnu17", "-w", "-I"])
        .arg(top().join("include"))
        .arg("-o")
        .arg(&program)
        .arg(&file)
        .arg(library::ours().join("libdevmapper.so.1.02.1"))
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let run = Command::new(&program)
        .current_dir(scratch.path())
        .env("LD_LIBRARY_PATH", library::ours())
        .output()
        .unwrap();
    assert!(run.status.success());
    assert_eq!(String::from_utf8_lossy(&run.stdout), "");
}
