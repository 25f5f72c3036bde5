//! Where a demo without `--data` keeps its data: a folder that goes with it.
//!
//! Invariant: the folder of a demo that runs is never removed by another; that of one that was killed is, by the next.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::TempDir;

const PREFIX: &str = "yinliu-demo-";

/// A file in the folder, which is locked as long as the process lives, however it ends.
const IN_USE: &str = "in-use";

#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    _in_use: File,
}

impl Folder {
    pub(super) fn under(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Locked before it has the name that is looked for.
        let unnamed = folder.path().join("new");
        let in_use = File::create(&unnamed)?;
        in_use.lock()?;
        fs::rename(unnamed, folder.path().join(IN_USE))?;
        Ok(Self { folder, _in_use: in_use })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what killed ones have left. What cannot be removed is another user's, and stays.
fn sweep(parent: &Path) {
    let folders = fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let in_use = File::open(folder.path().join(IN_USE));
        if in_use.is_ok_and(|in_use| in_use.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_killed_demo_goes_with_the_next_and_that_of_a_running_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let killed = parent.path().join("yinliu-demo-killed");
        fs::create_dir_all(killed.join("clickhouse")).unwrap();
        fs::write(killed.join(IN_USE), "").unwrap();
        let others = ["yinliu-demo-of-another-kind", "of-another-program"].map(|name| parent.path().join(name));
        for folder in &others {
            fs::create_dir(folder).unwrap();
        }

        let first = Folder::under(parent.path()).unwrap();
        assert!(!killed.exists());
        let second = Folder::under(parent.path()).unwrap();
        assert!(first.path().exists() && second.path().exists() && others.iter().all(|folder| folder.exists()));
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }
}
