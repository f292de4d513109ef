//! Places in a tree: where a path leads when links are followed, as the kernel would within a root.

use super::tree::{Folder, Node};

/// How many links are followed before it counts as a ring, as in Linux.
const LINKS: u32 = 40;

impl Folder {
    /// Where a path leads within this root when every link on the way and at its end is followed; `None` for a ring of
    /// links. What isn't there leads to itself, and nothing leads out.
    pub fn resolve<S: AsRef<str>>(&self, path: &[S]) -> Option<Vec<String>> {
        let mut todo: Vec<String> = path.iter().rev().map(|name| name.as_ref().to_owned()).collect();
        let mut at: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(name),
            }
            if let Some(Node::Link { target }) = self.at(&at) {
                links += 1;
                if links > LINKS {
                    return None;
                }
                at.pop();
                if target.starts_with('/') {
                    at.clear();
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
            }
        }
        Some(at)
    }

    /// The node at a place, without following links.
    pub fn at(&self, place: &[String]) -> Option<&Node> {
        let (last, above) = place.split_last()?;
        self.folder_at(above)?.entries.get(last)
    }

    /// The folder at a place, this one at none, without following links.
    pub fn folder_at(&self, place: &[String]) -> Option<&Folder> {
        place.iter().try_fold(self, |folder, name| match folder.entries.get(name)? {
            Node::Folder(inner) => Some(inner),
            _ => None,
        })
    }

    /// The folder at a place, this one at none, to be changed.
    pub fn folder_at_mut(&mut self, place: &[String]) -> Option<&mut Folder> {
        place.iter().try_fold(self, |folder, name| match folder.entries.get_mut(name)? {
            Node::Folder(inner) => Some(inner),
            _ => None,
        })
    }

    /// The folder at a place, made with those above it where there is nothing; `None` if something else is in the way.
    pub fn make_folder(&mut self, place: &[String]) -> Option<&mut Folder> {
        let mut folder = self;
        for name in place {
            match folder.entries.entry(name.clone()).or_insert_with(|| Node::Folder(Folder::default())) {
                Node::Folder(inner) => folder = inner,
                _ => return None,
            }
        }
        Some(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(target: &str) -> Node {
        Node::Link { target: target.to_owned() }
    }

    #[test]
    fn nothing_leads_out_and_rings_end() {
        let mut root = Folder::default();
        root.insert("bin", link("usr/bin")).unwrap();
        root.insert("usr/bin/sh", link("/bin/dash")).unwrap();
        root.insert("out", link("../../etc/passwd")).unwrap();
        root.insert("ring", link("ring/a")).unwrap();
        let lead =
            |path: &str| root.resolve(&path.split('/').collect::<Vec<_>>()).map(|place| place.join("/"));
        assert_eq!(lead("bin/sh").as_deref(), Some("usr/bin/dash"));
        assert_eq!(lead("out").as_deref(), Some("etc/passwd"));
        assert_eq!(lead("../../bin").as_deref(), Some("usr/bin"));
        assert_eq!(lead("ring"), None);
        assert!(root.folder_at(&["usr".to_owned(), "bin".to_owned()]).is_some());
        assert!(root.make_folder(&["bin".to_owned(), "x".to_owned()]).is_none());
    }
}
