//! A machine's control groups, in which its systemd keeps its services. Each machine has its own: two
//! machines with the same groups would each take the other's processes for their own services.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Where hierarchies are mounted: the unified one, or the two that systemd uses beside legacy ones.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// A group in each hierarchy, below this process's own. Dropping it removes them.
pub(super) struct ControlGroups {
    pub(super) paths: Vec<PathBuf>,
}

impl ControlGroups {
    /// Makes the groups. Their paths are written into the folder, where a sweep finds them.
    pub(super) fn make(name: &str, folder: &Path) -> io::Result<ControlGroups> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let paths: Vec<PathBuf> = hierarchies(&own).map(|own| own.join(name)).collect();
        let list: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        fs::write(folder.join("cgroups"), list.join("\n"))?;
        for path in &paths {
            fs::create_dir(path)?;
        }
        Ok(ControlGroups { paths })
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        self.paths.iter().for_each(|path| remove(path));
    }
}

/// This process's group in each mounted hierarchy. `own` is the text of `/proc/self/cgroup`.
fn hierarchies(own: &str) -> impl Iterator<Item = PathBuf> {
    HIERARCHIES.into_iter().filter_map(|root| {
        let start = if root.ends_with("systemd") { "name=systemd:" } else { "0::" };
        let own = own.lines().find_map(|line| line.split_once(start).map(|(_, path)| path.to_owned()))?;
        let path = Path::new(root).join(own.trim_start_matches('/'));
        path.join("cgroup.procs").exists().then_some(path)
    })
}

/// Removes the groups that a folder lists.
pub(super) fn sweep(folder: &Path) {
    let list = fs::read_to_string(folder.join("cgroups")).unwrap_or_default();
    list.lines().filter(|line| !line.is_empty()).for_each(|path| remove(Path::new(path)));
}

/// Removes a group and those below it. Processes in them may still be ending.
fn remove(path: &Path) {
    for _ in 0..50 {
        remove_once(path);
        if !path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn remove_once(path: &Path) {
    let inner = fs::read_dir(path).into_iter().flatten().flatten();
    for folder in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_once(&folder.path());
    }
    let _ = fs::remove_dir(path);
}
