//! `--image NODE=FILE`: what a node runs instead of what its file names.

use devices::source::nearest;
use fleet::config::{Files, Plan};
use std::path::Path;

/// Files of a folder, with images of a command line.
pub struct Instead<'a> {
    files: &'a dyn Files,
    images: Vec<(&'a str, String)>,
}

impl<'a> Instead<'a> {
    /// A path of the command line is relative to the current folder, not to the scenario's.
    pub fn new(files: &'a dyn Files, images: &'a [(String, String)]) -> Instead<'a> {
        let place = |file: &str| match std::path::absolute(file) {
            Ok(path) if Path::new(file).is_file() => path.display().to_string(),
            _ => file.into(), // the name of an image, or what cannot be read is told
        };
        Instead { files, images: images.iter().map(|(n, f)| (&n[..], place(f))).collect() }
    }

    /// All names are those of nodes or groups.
    pub fn check(&self, plan: &Plan) -> Result<(), String> {
        let names = || plan.nodes.iter().flat_map(|n| [Some(&n.name[..]), n.group.as_deref()]).flatten();
        for (node, _) in &self.images {
            if !names().any(|n| n == *node) {
                let help = nearest(node, names()).map(|h| format!("; {h}")).unwrap_or_default();
                return Err(format!("--image: no node or group is called `{node}`{help}"));
            }
        }
        Ok(())
    }
}

impl Files for Instead<'_> {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        self.files.image(name)
    }
    fn board(&self, path: &str) -> Result<String, String> {
        self.files.board(path)
    }
    fn text(&self, path: &str) -> Result<String, String> {
        self.files.text(path)
    }
    fn built(&self, nodes: usize, of: usize) -> Result<(), String> {
        self.files.built(nodes, of)
    }
    fn instead(&self, node: &str, group: Option<&str>) -> Option<String> {
        let named =
            |name: &str| self.images.iter().rev().find(|(n, _)| *n == name).map(|(_, file)| file.clone());
        named(node).or_else(|| group.and_then(named))
    }
}
