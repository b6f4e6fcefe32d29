//! Who may depend on whom, as ARCHITECTURE.md draws it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::sh::Result;

/// What a crate's own code may use of the workspace.
const EDGES: &[(&str, &[&str])] = &[
    ("emu-core", &[]),
    ("emu-engine", &["emu-core"]),
    ("emu-arm", &["emu-core", "emu-engine"]),
    ("emu-riscv", &["emu-core", "emu-engine"]),
    ("emu-loader", &["emu-core"]),
    ("emu-debug", &["emu-core", "emu-loader"]),
    ("emu-testkit", &["emu-core"]),
    ("emu-unicorn", &["emu-core", "emu-engine", "emu-arm", "emu-riscv", "emu-loader"]),
    ("devices", &["emu-core", "emu-engine", "emu-arm", "emu-riscv"]),
    // For its time and link types only.
    ("netsim", &["emu-core"]),
    (
        "fleet",
        &[
            "emu-core",
            "emu-engine",
            "emu-arm",
            "emu-riscv",
            "emu-loader",
            "emu-debug",
            "devices",
            "netsim",
            "images",
        ],
    ),
    ("fleet-host", &["emu-core", "emu-loader", "emu-debug", "netsim", "devices", "fleet", "images"]),
    ("flotilla", &["emu-core", "fleet", "fleet-host", "images"]),
    ("gui", &["emu-core", "fleet", "fleet-host", "images"]),
    ("images", &[]),
    ("xtask", &["images"]),
];

/// What only some crates may use from outside: threads, sockets, terminals and the GPL stay at the edge.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("tokio", &["fleet-host", "flotilla", "gui"]),
    ("crossbeam", &["fleet-host", "flotilla", "gui"]),
    ("crossterm", &["fleet-host", "flotilla", "gui"]),
    ("rayon", &["fleet-host", "flotilla", "gui"]),
    ("indicatif", &["flotilla", "xtask"]),
    ("unicorn-engine", &["emu-unicorn"]),
    ("rand", &[]),
];

/// What a crate may use only under a feature of its own that is off by default: the oracle, which makes a program GPL-2.0.
const OPTIONAL: &[(&str, &str)] = &[("flotilla", "emu-unicorn")];

/// No test may need these: the first would make every build a GPL one, the second is no library.
const NEVER: &[&str] = &["emu-unicorn", "xtask"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
    #[serde(default)]
    optional: bool,
}

/// Checks what `cargo metadata --no-deps` says.
pub fn check(metadata: &str) -> Result<Vec<String>> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
            complaints.push(format!("{}: not in the table of xtask/src/tidy/edges.rs", package.name));
            continue;
        };
        let wrong =
            package.dependencies.iter().filter(|dependency| !permitted(&package.name, allowed, dependency));
        complaints.extend(
            wrong.map(|dependency| format!("{}: may not depend on {}", package.name, dependency.name)),
        );
        let usual = package.features.get("default").into_iter().flatten();
        complaints.extend(
            usual
                .filter(|feature| feature.contains("unicorn"))
                .map(|feature| format!("{}: `{feature}` may not be a default", package.name)),
        );
    }
    Ok(complaints)
}

fn permitted(package: &str, allowed: &[&str], dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    if OPTIONAL.contains(&(package, name)) {
        return dependency.optional && dependency.kind.is_none();
    }
    match OUTSIDE.iter().find(|(crate_, _)| *crate_ == name) {
        Some((_, users)) => users.contains(&package),
        None if dependency.path.is_none() => true,
        None if dependency.kind.as_deref() == Some("dev") => !NEVER.contains(&name),
        None => allowed.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(package: &str, dependency: &str, kind: &str, path: &str) -> Vec<String> {
        let text = format!(
            r#"{{"packages":[{{"name":"{package}","dependencies":[{{"name":"{dependency}","kind":{kind},"path":{path}}}]}}]}}"#
        );
        check(&text).unwrap()
    }

    #[test]
    fn arrows_point_downwards() {
        assert!(complaints("fleet", "netsim", "null", "\"/p\"").is_empty());
        assert_eq!(complaints("netsim", "devices", "null", "\"/p\""), ["netsim: may not depend on devices"]);
        assert_eq!(complaints("emu-core", "fleet", "\"build\"", "\"/p\"").len(), 1);
    }

    #[test]
    fn tests_may_look_further_but_not_at_the_oracle() {
        assert!(complaints("emu-core", "emu-testkit", "\"dev\"", "\"/p\"").is_empty());
        assert_eq!(complaints("emu-arm", "emu-unicorn", "\"dev\"", "\"/p\"").len(), 1);
    }

    #[test]
    fn the_program_may_have_the_oracle_if_it_is_asked_for() {
        let complaints = |package: &str, optional: bool| {
            let dependency =
                format!(r#"{{"name":"emu-unicorn","kind":null,"path":"/p","optional":{optional}}}"#);
            check(&format!(
                r#"{{"packages":[{{"name":"{package}","dependencies":[{dependency}],"features":{{}}}}]}}"#
            ))
            .unwrap()
        };
        assert!(complaints("flotilla", true).is_empty());
        assert_eq!(complaints("flotilla", false), ["flotilla: may not depend on emu-unicorn"]);
        assert_eq!(complaints("fleet", true).len(), 1);
        assert_eq!(complaints("gui", true).len(), 1);
    }

    #[test]
    fn a_default_build_has_no_oracle() {
        let with = |features: &str| {
            check(&format!(
                r#"{{"packages":[{{"name":"flotilla","dependencies":[],"features":{features}}}]}}"#
            ))
            .unwrap()
        };
        assert!(with(r#"{"unicorn":["dep:emu-unicorn"]}"#).is_empty());
        assert_eq!(with(r#"{"default":["unicorn"],"unicorn":["dep:emu-unicorn"]}"#).len(), 1);
    }

    #[test]
    fn the_edge_is_the_edge() {
        assert!(complaints("fleet-host", "tokio", "null", "null").is_empty());
        assert_eq!(complaints("fleet", "tokio", "null", "null").len(), 1);
        assert!(complaints("fleet", "serde", "null", "null").is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        assert_eq!(complaints("newcomer", "serde", "null", "null").len(), 1);
    }
}
