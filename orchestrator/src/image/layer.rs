//! One layer of an image: files and folders as a tar archive whose bytes depend on nothing else.

use std::collections::BTreeMap;
use std::io;
use tar::{Builder, EntryType, Header};

enum Node {
    Folder(u32),
    File(Vec<u8>),
}

/// Files and folders. Paths may begin with `/`.
#[derive(Default)]
pub struct Layer {
    nodes: BTreeMap<String, Node>,
}

impl Layer {
    /// Puts a program or library there, and the folders above it.
    pub fn file(&mut self, path: &str, content: Vec<u8>) {
        let path = path.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            self.nodes
                .entry(path[..end].to_owned())
                .or_insert(Node::Folder(0o755));
        }
        self.nodes.insert(path.to_owned(), Node::File(content));
    }

    /// Puts a folder there.
    pub fn folder(&mut self, path: &str, mode: u32) {
        self.nodes.insert(path.to_owned(), Node::Folder(mode));
    }

    /// The archive. A folder comes before what is in it.
    ///
    /// # Errors
    /// When a path is longer than archives take.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, node) in &self.nodes {
            match node {
                Node::Folder(mode) => append(
                    &mut archive,
                    &format!("{path}/"),
                    EntryType::Directory,
                    *mode,
                    &[],
                )?,
                Node::File(content) => {
                    append(&mut archive, path, EntryType::Regular, 0o755, content)?;
                }
            }
        }
        archive.into_inner()
    }
}

/// Appends an entry of root's, from the beginning of time.
pub(crate) fn append<W: io::Write>(
    archive: &mut Builder<W>,
    path: &str,
    kind: EntryType,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn folders_come_before_what_is_in_them_and_the_order_of_calls_does_not_matter() {
        let (mut layer, mut other) = (Layer::default(), Layer::default());
        layer.file("/lib/deep/a", b"a".to_vec());
        layer.folder("tmp", 0o1777);
        other.folder("tmp", 0o1777);
        other.file("lib/deep/a", b"a".to_vec());
        let bytes = layer.to_tar().unwrap();
        assert_eq!(bytes, other.to_tar().unwrap());
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            seen.push((path, entry.header().mode().unwrap(), content));
        }
        let wanted = [
            ("lib/", 0o755, ""),
            ("lib/deep/", 0o755, ""),
            ("lib/deep/a", 0o755, "a"),
            ("tmp/", 0o1777, ""),
        ];
        assert_eq!(
            seen,
            wanted.map(|(path, mode, content)| (path.to_owned(), mode, content.to_owned()))
        );
    }
}
