//! Debian packages and sources of a suite that need not be this machine's, unprivileged: apt with a configuration of its
//! own, whose mirror is the one this machine's apt uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use images::{Origin, TreeOrigin, cache_dir, catalogue, sources};

use crate::sh::{self, Result};

/// Where Debian packages come from, as this machine's apt says.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

/// Downloads `package` at `version` into `folder` and gives the file.
pub fn binary(package: &str, version: &str, folder: &Path) -> Result<PathBuf> {
    get(folder, &["download", &format!("{package}={version}")])?;
    let found = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let found =
        found.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect::<Vec<_>>();
    found.into_iter().next().ok_or_else(|| format!("apt-get download left no {package} package").into())
}

/// Downloads the files of the source package into `folder`.
pub fn source(package: &str, version: &str, folder: &Path) -> Result<()> {
    get(folder, &["source", "--download-only", "--only-source", &format!("{package}={version}")])
}

pub fn unpack_binary(deb: &Path, to: &Path) -> Result<()> {
    sh::run(Command::new("dpkg-deb").arg("-x").args([deb, to]))
}

/// Unpacks and patches a source package whose files were verified already.
pub fn unpack_source(folder: &Path, dsc: &str, to: &Path) -> Result<()> {
    sh::run(Command::new("dpkg-source").current_dir(folder).args(["--no-check", "-x", dsc]).arg(to))
}

fn get(folder: &Path, words: &[&str]) -> Result<()> {
    let config = configured()?;
    let (done, said) = sh::attempt(apt(config).current_dir(folder).arg("-q").args(words))?;
    if done {
        return Ok(());
    }
    let pin = words.last().unwrap_or(&"");
    if ["was not found", "Unable to locate", "Unable to find a source", "Can not find version"]
        .iter()
        .any(|sign| said.contains(sign))
    {
        return Err(format!(
            "the pin {pin} is gone from Debian; choose another in images/catalogue.toml\n{said}"
        )
        .into());
    }
    Err(format!("apt-get could not get {pin}:\n{said}").into())
}

fn apt(config: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", config).env("LC_ALL", "C.UTF-8");
    command
}

/// Our apt configuration, its package lists brought up to date once.
fn configured() -> Result<&'static Path> {
    static CONFIG: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| configure().map_err(|error| error.to_string()));
    Ok(config.as_deref().map_err(Clone::clone)?)
}

fn configure() -> Result<PathBuf> {
    let home = std::path::absolute(cache_dir().join("apt"))?;
    fs::create_dir_all(home.join("lists/partial"))?;
    fs::create_dir_all(home.join("cache/archives/partial"))?;
    fs::write(home.join("status"), "")?;
    let mirror =
        mirror(&machine_sources()).ok_or("this machine's apt configuration names no Debian mirror")?;
    fs::write(home.join("debian.sources"), sources_file(&mirror, &suites()))?;
    let config = home.join("apt.conf");
    fs::write(&config, config_file(&home))?;
    sh::run(apt(&config).args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]))?;
    Ok(config)
}

fn config_file(home: &Path) -> String {
    let home = home.display();
    format!(
        r#"Dir::State "{home}/";
Dir::State::Lists "{home}/lists";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Etc::SourceList "{home}/debian.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
"#
    )
}

/// What the catalogue takes from where: (deb or deb-src, suite), each once.
fn suites() -> Vec<(&'static str, &'static str)> {
    let binary = catalogue().iter().filter_map(|image| match &image.from {
        Origin::Debian { suite, .. } => Some(("deb", suite.as_str())),
        _ => None,
    });
    let source = sources().iter().filter_map(|tree| match &tree.from {
        TreeOrigin::DebianSource { suite, .. } => Some(("deb-src", suite.as_str())),
        _ => None,
    });
    let mut all: Vec<_> = binary.chain(source).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn sources_file(mirror: &Mirror, suites: &[(&str, &str)]) -> String {
    let signed = mirror.signed_by.as_ref().map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
    let stanza = |(kind, suite): &(&str, &str)| {
        format!("Types: {kind}\nURIs: {}\nSuites: {suite}\nComponents: main\n{signed}", mirror.uri)
    };
    suites.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

/// The text of all files that tell apt where packages are, one after the other.
fn machine_sources() -> String {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let mut files: Vec<PathBuf> = parts.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect::<Vec<_>>().join("\n\n")
}

/// The first source that serves a release of Debian itself, in either of apt's two formats.
fn mirror(text: &str) -> Option<Mirror> {
    let clean: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    clean
        .split("\n\n")
        .find_map(|stanza| stanza_mirror(stanza).or_else(|| stanza.lines().find_map(line_mirror)))
}

fn is_debian(suite: &str, components: &str) -> bool {
    let releases =
        ["bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing", "sid", "unstable"];
    releases.contains(&suite) && components.split_whitespace().any(|component| component == "main")
}

/// `Types: deb` and so on.
fn stanza_mirror(stanza: &str) -> Option<Mirror> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let (uris, suites, components) = (field("URIs")?, field("Suites")?, field("Components")?);
    let uri = uris.split_whitespace().next()?.to_owned();
    let debian = suites.split_whitespace().any(|suite| is_debian(suite, &components));
    // A key may also be written out in the stanza itself; apt's own keys serve then.
    let signed_by = field("Signed-By").filter(|key| key.starts_with('/'));
    debian.then_some(Mirror { uri, signed_by })
}

/// `deb [options] URI SUITE COMPONENT...`
fn line_mirror(line: &str) -> Option<Mirror> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let (uri, rest) = rest.trim().split_once(char::is_whitespace)?;
    let (suite, components) = rest.trim().split_once(char::is_whitespace)?;
    let key = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let mirror = Mirror { uri: uri.to_owned(), signed_by: key.map(str::to_owned) };
    is_debian(suite, components).then_some(mirror)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, Option<String>)> {
        mirror(text).map(|mirror| (mirror.uri, mirror.signed_by))
    }

    #[test]
    fn a_mirror_is_found_in_stanzas() {
        let text = "Types: deb\nURIs: http://other/x\nSuites: nodistro\nComponents: main\n\n\
                    Types: deb\n# a note\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /usr/share/keyrings/k.gpg\n";
        let want = ("http://mirror/debian".to_owned(), Some("/usr/share/keyrings/k.gpg".to_owned()));
        assert_eq!(found(text), Some(want));
    }

    #[test]
    fn a_mirror_is_found_in_lines() {
        let text = "# deb http://no/debian bookworm main\ndeb http://cloud/apt cloud-sdk-bookworm main\n\
                    deb http://security/debian bookworm-security main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian  trixie  main contrib\n";
        assert_eq!(found(text), Some(("http://mirror/debian".to_owned(), Some("/k.gpg".to_owned()))));
        let plain = "deb http://mirror/debian bookworm main";
        assert_eq!(found(plain), Some(("http://mirror/debian".to_owned(), None)));
    }

    #[test]
    fn security_sources_and_other_systems_are_no_mirror() {
        assert_eq!(found("deb http://x/debian-security bookworm-security main"), None);
        assert_eq!(found("deb http://x/ubuntu jammy main"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn our_sources_name_the_mirror_and_the_catalogues_suites() {
        let mirror = Mirror { uri: "http://m/debian".to_owned(), signed_by: None };
        let text = sources_file(&mirror, &[("deb", "bookworm"), ("deb-src", "trixie")]);
        assert_eq!(
            text,
            "Types: deb\nURIs: http://m/debian\nSuites: bookworm\nComponents: main\n\n\
             Types: deb-src\nURIs: http://m/debian\nSuites: trixie\nComponents: main\n"
        );
    }
}
