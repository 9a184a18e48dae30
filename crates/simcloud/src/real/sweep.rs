//! The folder of a simcloud's machines, and what becomes of it when simcloud is killed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{RUN, processes, run, text};

/// A folder in memory for a hypervisor of this process.
pub(super) fn make_folder(number: u32) -> io::Result<PathBuf> {
    let own = Path::new(RUN).join(std::process::id().to_string());
    fs::create_dir_all(&own)?;
    fs::write(own.join("owner"), processes::birth(std::process::id()).unwrap_or_default())?;
    let folder = own.join(format!("h{number}"));
    fs::create_dir(&folder)?;
    run("mount", &["-t", "tmpfs", "-o", "mode=0755", "azlin-machines", text(&folder)?])?;
    Ok(folder)
}

pub(super) fn remove_folder(folder: &Path) {
    processes::unmount(folder);
    let _ = fs::remove_dir(folder);
    if let Some(own) = folder.parent()
        && fs::read_dir(own)
            .is_ok_and(|mut left| left.all(|left| left.is_ok_and(|left| left.file_name() == "owner")))
    {
        let _ = fs::remove_dir_all(own);
        let _ = fs::remove_dir(RUN);
    }
}

/// Removes what simclouds that are dead have left: processes, networks, mounts and folders. Returns
/// their process ids.
///
/// # Errors
/// When the folder cannot be read.
pub fn sweep() -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(RUN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut dead = Vec::new();
    for entry in entries {
        let own = entry?.path();
        let owner = own.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let Some(owner) = owner else { continue };
        let birth = fs::read_to_string(own.join("owner")).unwrap_or_default();
        if processes::birth(owner).is_none_or(|found| found != birth) {
            sweep_one(owner, &own);
            dead.push(owner);
        }
    }
    // Only when nothing else is in it.
    let _ = fs::remove_dir(RUN);
    Ok(dead)
}

fn sweep_one(owner: u32, own: &Path) {
    let folders = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    for netns in folders(Path::new("/run/netns")) {
        if let Some(name) = netns.file_name().and_then(|name| name.to_str())
            && name.starts_with(&format!("azlin-{owner}-"))
        {
            processes::kill_all_in(name);
            let _ = run("ip", &["netns", "del", name]);
            processes::forget(name);
        }
    }
    for hypervisor in folders(own).iter().filter(|path| path.is_dir()) {
        for machine in folders(hypervisor) {
            // With its namespace the link is gone, unless that namespace is still in use.
            if let Ok(link) = fs::read_to_string(machine.join("link")) {
                let _ = run("ip", &["link", "del", &link]);
            }
            if machine.join("root").exists() {
                processes::unmount(&machine.join("root"));
            }
        }
        processes::unmount(hypervisor);
    }
    let _ = fs::remove_dir_all(own);
}
