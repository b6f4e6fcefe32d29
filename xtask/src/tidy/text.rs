//! Rules about single files.

/// Lines of a Rust file before its tests.
const LONGEST: usize = 800;

/// Folders of one machine. Written in two parts, so that this file passes its own check.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Package registries are named by their client's configuration, never here.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("deb.deb", "ian.org"),
    concat!("snapshot.deb", "ian.org"),
    concat!("ftp.deb", "ian.org"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("registry.npm", "js.org"),
];

/// Signs of unsafe code; clippy and the lint table see it too, unless a file allows it.
const UNSAFE: &[&str] = &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"];

/// Where unsafe code may be.
const UNSAFE_HOME: &str = "emu/engine/";

/// The complaints about one tracked file.
pub fn check(name: &str, bytes: &[u8]) -> Vec<String> {
    let mut complaints = Vec::new();
    // Cargo writes the name of the registry's index into the lock file.
    if name != "Cargo.lock" {
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            for word in MACHINE_PATHS.iter().chain(REGISTRY_HOSTS).filter(|word| contains(line, word)) {
                complaints.push(format!("{name}:{}: names `{word}`", index + 1));
            }
        }
    }
    if name.ends_with(".rs") {
        complaints.extend(check_rust(name, &String::from_utf8_lossy(bytes)));
    }
    if name.ends_with("Cargo.toml")
        && name != "Cargo.toml"
        && !has_workspace_lints(&String::from_utf8_lossy(bytes))
    {
        complaints.push(format!("{name}: lacks `[lints] workspace = true`"));
    }
    complaints
}

fn check_rust(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let length = length_without_tests(name, text);
    if length > LONGEST {
        complaints.push(format!("{name}: {length} lines without tests, more than {LONGEST}"));
    }
    complaints.extend(check_device(name, text));
    if !name.starts_with(UNSAFE_HOME) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // A word in quotes is not code.
            if UNSAFE.iter().any(|sign| code.contains(sign) && !code.contains(&format!("\"{sign}"))) {
                complaints.push(format!("{name}:{}: unsafe code outside {UNSAFE_HOME}", index + 1));
            }
        }
    }
    complaints
}

fn contains(line: &[u8], word: &str) -> bool {
    line.windows(word.len()).any(|window| window == word.as_bytes())
}

fn has_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]");
    lines.next().is_some() && lines.next() == Some("workspace = true")
}

/// Every file of devices says in its first lines what it models and from which manual; what a device leaves out stands in
/// its `NOT_MODELLED`, whose first purpose is to be printed, so a doc comment is no place for it.
fn check_device(name: &str, text: &str) -> Option<String> {
    let what = if !name.starts_with("devices/src/") || name.ends_with("tests.rs") || name.contains("/tests/")
    {
        return None;
    } else if !text.starts_with("//! ") {
        "no module doc"
    } else if text.contains("impl Device for") && !text.contains("const NOT_MODELLED") {
        "a device without NOT_MODELLED"
    } else {
        return None;
    };
    Some(format!("{name}: {what}"))
}

fn length_without_tests(name: &str, text: &str) -> usize {
    if name.ends_with("tests.rs") || name.contains("tests/") {
        return 0;
    }
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_and_registry_hosts_are_found_in_any_file() {
        let text = format!("ok\nsee {}x and {}\n", MACHINE_PATHS[0], REGISTRY_HOSTS[0]);
        let found = check("README.md", text.as_bytes());
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("README.md:2: "), "{found:?}");
        assert_eq!(check("a.elf", &[&[0xff, 0][..], MACHINE_PATHS[1].as_bytes()].concat()).len(), 1);
        assert!(check("Cargo.lock", text.as_bytes()).is_empty());
    }

    #[test]
    fn long_files_are_found_and_tests_do_not_count() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(check("a.rs", long.as_bytes()).len(), 1);
        assert!(check("a.md", long.as_bytes()).is_empty());
        assert!(check("a.rs", format!("x\n#[cfg(test)]\nmod tests {{\n{long}}}\n").as_bytes()).is_empty());
        assert!(check("src/tests.rs", long.as_bytes()).is_empty());
    }

    #[test]
    fn a_device_says_what_it_is_and_what_it_does_not_model() {
        let complaints = |text: &str| check("devices/src/nordic/uart.rs", text.as_bytes()).len();
        let body = "impl Device for Uart {\n    const NOT_MODELLED: &'static [&'static str] = &[];\n}\n";
        assert_eq!(complaints(&format!("//! UART (chapter 29).\n{body}")), 0);
        assert_eq!(complaints(body), 1);
        assert_eq!(complaints("//! UART.\nimpl Device for Uart {}\n"), 1);
        assert_eq!(complaints("//! What they have in common.\n"), 0);
        assert!(check("fleet/src/a.rs", body.as_bytes()).is_empty());
    }

    #[test]
    fn unsafe_code_has_one_home() {
        let code = concat!("fn f() { unsa", "fe { g() } }\n");
        assert_eq!(check("fleet/src/a.rs", code.as_bytes()).len(), 1);
        assert!(check("emu/engine/src/a.rs", code.as_bytes()).is_empty());
        assert!(check("fleet/src/a.rs", b"// unsafe { }\n").is_empty());
    }

    #[test]
    fn every_crate_takes_the_workspaces_lints() {
        assert!(check("a/Cargo.toml", b"[lints]\nworkspace = true\n").is_empty());
        assert_eq!(check("a/Cargo.toml", b"[package]\nname = \"a\"\n").len(), 1);
    }
}
