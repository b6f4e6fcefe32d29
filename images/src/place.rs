//! Where images lie.

use std::path::{Path, PathBuf};

/// The folder of the clone this crate was built from.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// Overrides the cache folder.
const VARIABLE: &str = "FLOTILLA_IMAGES";

/// The folder of fetched images and of those built from fetched sources. In this order: the environment variable
/// `FLOTILLA_IMAGES`; `images/cache` of the clone the program was built from; `images/cache` below the current folder;
/// `$XDG_CACHE_HOME/flotilla` or `~/.cache/flotilla`.
pub fn cache_dir() -> PathBuf {
    choose(&|name| std::env::var_os(name).map(PathBuf::from), &|path| path.is_dir())
}

/// The folder of our own guests that are built when tests need them: `images/build` of a clone, else `build` below
/// [`cache_dir`].
pub fn build_dir() -> PathBuf {
    let cache = cache_dir();
    if cache == Path::new(HOME).join("cache") { Path::new(HOME).join("build") } else { cache.join("build") }
}

/// The folder of our own guests' source and committed ELF files.
pub fn guests_dir() -> PathBuf {
    Path::new(HOME).join("guests")
}

fn choose(env: &dyn Fn(&str) -> Option<PathBuf>, is_dir: &dyn Fn(&Path) -> bool) -> PathBuf {
    let set = |name| env(name).filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = set(VARIABLE) {
        return path;
    }
    if is_dir(Path::new(HOME)) {
        return Path::new(HOME).join("cache");
    }
    let here = Path::new("images/cache");
    if is_dir(here) {
        return here.to_path_buf();
    }
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map_or_else(|| here.to_path_buf(), |cache| cache.join("flotilla"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(env: &[(&str, &str)], dirs: &[&str]) -> PathBuf {
        let get =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
        choose(&get, &|path| dirs.iter().any(|dir| Path::new(dir) == path))
    }

    #[test]
    fn the_variable_wins() {
        assert_eq!(chosen(&[(VARIABLE, "/a")], &[HOME, "images/cache"]), Path::new("/a"));
        assert_eq!(chosen(&[(VARIABLE, "")], &[HOME]), Path::new(HOME).join("cache"));
    }

    #[test]
    fn then_the_clone_then_the_current_folder() {
        assert_eq!(chosen(&[], &[HOME, "images/cache"]), Path::new(HOME).join("cache"));
        assert_eq!(chosen(&[("HOME", "/h")], &["images/cache"]), Path::new("images/cache"));
    }

    #[test]
    fn then_the_users_cache() {
        assert_eq!(chosen(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], &[]), Path::new("/x/flotilla"));
        assert_eq!(chosen(&[("HOME", "/h")], &[]), Path::new("/h/.cache/flotilla"));
        assert_eq!(chosen(&[], &[]), Path::new("images/cache"));
    }
}
